"""Who may deliver: a store or a run in, the right to go on alone out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness import lock
from harness.errors import StoreError, TrackingError
from harness.rundir import RunFolder
from harness.store import Store

__tracebackhide__ = True

_NAME = "delivery.lock"


@contextmanager
def exclusive(store: Store, *, seconds: float = 60.0) -> Iterator[None]:
    """Be the only process of a project that opens the tracking store; wait for another up to `seconds`.

    MLflow breaks a new database that two processes migrate at once. Opening takes a second or two.
    Raises TrackingError if another process needs longer, or if there can be no lock.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.exclusive(store.path("runs", _NAME), seconds=seconds))
        except lock.HeldError as error:
            raise TrackingError(
                f"another process has been opening MLflow for the runs of {store.root} for {seconds:g} s",
                "wait for it to end, then type: harness sync",
            ) from error
        except StoreError as error:
            raise TrackingError(error.problem, error.remedy) from error
        yield


def claim(folder: RunFolder) -> ExitStack | None:
    """Return the right to deliver a run, given back when it is closed; None while another process has it.

    The process that makes a run holds it to the end. Raises TrackingError if there can be no lock.
    """
    if not folder.path.is_dir():  # someone has deleted it, and has delivered it before
        return None
    claimed = ExitStack()
    try:
        claimed.enter_context(lock.exclusive(folder.path / _NAME, seconds=0.0))
    except lock.HeldError:
        return None
    except StoreError as error:
        raise TrackingError(error.problem, error.remedy) from error
    return claimed
