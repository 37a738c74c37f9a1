"""Names of scikit-learn's functions in, the functions out: it is imported when the first of them is called.

That takes as long as a thousand trials which do nothing: who has no data, and no model of scikit-learn's,
waits for it neither in the pytest process nor in a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Function:
    """A function or class of a module, to be called."""

    module: str
    name: str

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it; raises what it raises."""
        return getattr(import_module(self.module), self.name)(*arguments, **named)


class Later:
    """The functions and classes of a module, by name."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Function:
        if name.startswith("__"):  # asked by copy, pickle and their like
            raise AttributeError(name)
        return Function(self._module, name)


sklearn = Later("sklearn")
base = Later("sklearn.base")
dummy = Later("sklearn.dummy")
metrics = Later("sklearn.metrics")
model_selection = Later("sklearn.model_selection")
utils = Later("sklearn.utils")
