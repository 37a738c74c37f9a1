"""A warning of one process is told to pytest in another as if it had been recorded there."""

from __future__ import annotations

import json
import warnings

import pytest

from harness.pool.warned import pack, tell, warn


class OwnWarning(UserWarning):
    """One of the project's own."""


class PairWarning(UserWarning):
    """One that wants two arguments."""

    def __init__(self, first, second):
        super().__init__(first, second)


@pytest.fixture
def heard(pytester):
    """What a plugin of a pytest run hears of warnings, and the run's configuration."""
    config = pytester.parseconfigure()
    found = []

    class Plugin:
        def pytest_warning_recorded(self, warning_message, when, nodeid, location):
            found.append((warning_message, when, nodeid, location))

    config.pluginmanager.register(Plugin())
    return config, found


@pytest.mark.parametrize(
    ("message", "category", "text"),
    [
        (UserWarning("careful"), UserWarning, "careful"),
        (DeprecationWarning("old"), DeprecationWarning, "old"),
        (pytest.PytestWarning("of pytest"), pytest.PytestWarning, "of pytest"),
        (OwnWarning("mine"), OwnWarning, "mine"),
        (PairWarning("a", "b"), PairWarning, "('a', 'b')"),
    ],
)
def test_a_warning_that_was_packed_is_told_the_same(heard, message, category, text):
    config, found = heard
    recorded = warnings.WarningMessage(message, category, "/p/a.py", 7)

    packed = json.loads(json.dumps(pack(recorded, "runtest", "a.py::b", ("a.py", 6, "b"))))
    tell(config, packed)

    ((told, when, nodeid, location),) = found
    assert told.category is category
    assert str(told.message) == text
    assert (told.filename, told.lineno) == ("/p/a.py", 7)
    assert (when, nodeid, location) == ("runtest", "a.py::b", ("a.py", 6, "b"))


@pytest.mark.parametrize("module", ["no_such_module", "json", "builtins"])
def test_a_class_that_is_not_here_is_told_by_its_name(heard, module):
    config, found = heard
    packed = {**pack(warnings.WarningMessage(UserWarning("x"), UserWarning, "f", 1), "call", "n", None)}

    tell(config, {**packed, "module": module, "category": "LostWarning"})

    ((told, _, _, location),) = found
    assert told.category.__name__ == "LostWarning"
    assert issubclass(told.category, UserWarning)
    assert told.category.__module__ == module
    assert location is None


def test_a_warning_of_the_harness_is_told_even_where_warnings_are_errors(heard):
    config, found = heard

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn(config, "trials ran here")

    ((told, when, nodeid, _),) = found
    assert warnings.formatwarning(told.message, told.category, told.filename, told.lineno, told.line) == (
        f"{config.inipath or config.rootpath}:1: PytestWarning: trials ran here\n"
    )
    assert (when, nodeid) == ("config", "")
