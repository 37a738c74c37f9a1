"""Every backend does what every other does."""

from __future__ import annotations

import pytest
from conformance import Conformance, Ran, ran


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run to compare with: trials in pytest's own process."""
    return ran(tmp_path_factory.mktemp("here"), ["--workers=1"])


class TestInProcess(Conformance):
    """Trials in pytest's own process."""

    arguments = ("--workers=1",)


class TestPool(Conformance):
    """Trials in workers of this machine."""

    arguments = ("--workers=2",)


class TestSageMakerRehearsed(Conformance):
    """Trials as jobs of SageMaker, played on this machine."""

    arguments = ("--backend=sagemaker", "--rehearse")
