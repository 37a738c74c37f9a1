"""A worker's pytest is given what shapes collection and failures, and nothing of output and selection."""

from __future__ import annotations

import base64
import json
import os
import pickle
import sys
import threading

import pytest

import harness.pool.arguments
from harness.pool.arguments import arguments, opening, options
from harness.pool.temporary import base


@pytest.fixture
def config_of(pytester):
    """The configuration of a pytest run with some arguments."""

    def made(*words, ini="[pytest]\n"):
        pytester.makeini(ini)
        return pytester.parseconfigure(*words)

    return made


def settings_in(found):
    """The ini settings among arguments; of two of a name the later counts."""
    words = [word.removeprefix("--override-ini=") for word in found if word.startswith("--override-ini=")]
    return dict(word.split("=", 1) for word in words)


def made(config, tmp_path, **more):
    return arguments(config, [config.rootpath / "experiment_a.py"], temporary=tmp_path / "t", **more)


def test_paths_are_given_in_a_way_that_pytest_takes_for_nothing_else(config_of, tmp_path):
    config = config_of()
    root = config.invocation_params.dir
    names = ["a.py", "deep/a [b]/experiment_a.py", "-x.py", "@file.py", "../above.py"]

    found = arguments(config, [root / name for name in names], temporary=tmp_path)

    relative = [word for word in found if word.endswith(".py")]
    assert relative == ["./a.py", "./deep/a [b]/experiment_a.py", "./-x.py", "./@file.py", "./../above.py"]
    for word, name in zip(relative, names, strict=True):
        assert (root / word).resolve() == (root / name).resolve()


def test_what_shapes_collection_and_failures_goes_along(config_of, tmp_path):
    config = config_of(
        "--tb=short", "-l", "-vv", "--import-mode=importlib", "--runxfail", "--full-trace", "--assert=plain",
        "--log-level=INFO", "--log-format=%(message)s", "-W", "error::UserWarning", "-o", "xfail_strict=true",
        "-p", "no:doctest", "-p", "harness", "--color=yes", "--noconftest",
    )  # fmt: skip

    found = made(config, tmp_path)

    assert {
        f"--rootdir={config.rootpath}",
        f"--config-file={config.inipath}",
        "--tb=short", "--showlocals", "-v", "--import-mode=importlib", "--runxfail", "--full-trace",
        "--assert=plain", "--log-level=INFO", "--log-format=%(message)s", "-Werror::UserWarning",
        "--override-ini=xfail_strict=true", "--color=yes", "--noconftest", "--workers=1",
        "--disable-plugin-autoload", f"--basetemp={tmp_path / 't'}",
    } <= set(found)  # fmt: skip
    assert found.count("-v") == 2
    plugins = [found[i + 1] for i, word in enumerate(found) if word == "-p"]
    assert plugins == ["no:doctest", "harness.plugin", "no:cacheprovider"]
    assert settings_in(found)["xfail_strict"] == "true"


def test_output_cache_and_selection_stay(config_of, tmp_path):
    junit = tmp_path / "junit.xml"
    config = config_of(
        "-k", "something", "-m", "slow", "-x", "--lf", "--ff", f"--junit-xml={junit}", "-rA", "--durations=3",
        "--basetemp", str(tmp_path / "theirs"), "--capture=no", "--cache-clear", "--pastebin=failed", "--sw",
        "--deselect=a", "--ignore=b", "--collect-only", "--log-file=x.txt", "--color=no", "-q",
        "--no-tracking", "--workers=3", "--trial-timeout=5", "--resume",
        ini="[pytest]\naddopts = --strict-markers --tb=line\nlog_file = y.txt\n",
    )  # fmt: skip

    found = made(config, tmp_path)

    text = "\n".join(found)
    gone = "something slow theirs x.txt y.txt -rA --lf durations pastebin --sw deselect ignore= collect"
    for word in (*gone.split(), str(junit), "--workers=3", "resume", "capture"):
        assert word not in text
    assert "-x" not in found
    assert f"--junit-xml={os.devnull}" in found
    assert "--tb=line" in found
    assert "-q" in found
    assert settings_in(found) == {
        "addopts": "", "required_plugins": "", "strict_config": "false", "strict_markers": "false",
        "log_cli": "false", "log_file": "",
    }  # fmt: skip


def test_a_run_without_a_file_of_settings_finds_none_in_a_worker(pytester, tmp_path):
    config = pytester.parseconfigure(f"--rootdir={tmp_path}")

    assert f"--config-file={os.devnull}" in made(config, tmp_path)


@pytest.mark.parametrize(
    ("ini", "timeout", "wanted"),
    [
        ("", None, None),
        ("", 7.5, "7.5"),
        ("faulthandler_timeout = 3", 7.5, None),  # the project's own comes first, in time
        ("faulthandler_timeout = 9", 7.5, "7.5"),
        ("faulthandler_timeout = 9", None, None),
        ("faulthandler_timeout = soon", 7.5, "7.5"),
    ],
)
def test_pytest_says_where_a_trial_hangs_before_it_is_killed(config_of, tmp_path, ini, timeout, wanted):
    found = made(config_of(ini=f"[pytest]\n{ini}\n"), tmp_path, timeout=timeout)

    assert settings_in(found).get("faulthandler_timeout") == wanted


def test_options_are_plain_or_pickled(config_of):
    config = config_of("--tb=short")
    config.option.toy = {"a": [1, None]}
    config.option.odd = {1, 2}
    config.option.pair = (1, 2)
    config.option.lock = threading.Lock()

    found, pickled = options(config)

    assert found["tbstyle"] == "short"
    assert found["toy"] == {"a": [1, None]}
    assert not {"odd", "pair", "lock"} & set(found)
    assert json.loads(json.dumps([found, pickled])) == [found, pickled]
    assert [pickle.loads(base64.b64decode(pickled[name])) for name in ("odd", "pair")] == [{1, 2}, (1, 2)]
    assert pickled["lock"] == ""


def test_an_opening_holds_all_that_a_worker_needs(config_of, tmp_path, monkeypatch):
    config = config_of("--basetemp", str(tmp_path / "base"))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    monkeypatch.setenv("PYTEST_PLUGINS", "toy")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("OF_THE_USER", "ü\udce9")

    found, other = (
        opening(config, [config.rootpath / "a.py"], run=tmp_path / "run", threads=2, timeout=None)
        for _ in range(2)
    )

    assert found.folder == str(config.invocation_params.dir)
    assert found.path == sys.path
    assert found.command == sys.argv
    assert found.run == str(tmp_path / "run")
    assert found.threads == 2
    environment = found.environment
    assert "PYTEST_ADDOPTS" not in environment
    assert "PYTEST_CURRENT_TEST" not in environment
    assert (environment["PYTEST_PLUGINS"], environment["OF_THE_USER"]) == ("toy", "ü\udce9")
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "2"
    temporary = [word for word in found.arguments if word.startswith("--basetemp=")]
    assert temporary[0].startswith(f"--basetemp={tmp_path / 'base' / 'worker-'}")
    assert temporary[0] not in other.arguments  # each its own
    again = type(found).from_json(json.loads(json.dumps(found.to_json())))
    assert again == found


def test_where_pytest_keeps_its_folder_elsewhere_the_runs_own_is_taken(config_of, tmp_path, monkeypatch):
    config = config_of("--basetemp", str(tmp_path / "base"))
    assert base(config, instead=tmp_path) == tmp_path / "base"

    for changed in (None, object(), type("Factory", (), {"getbasetemp": lambda self: "text"})()):
        monkeypatch.setattr(config, "_tmp_path_factory", changed)
        assert base(config, instead=tmp_path / "own") == tmp_path / "own"


def test_without_a_terminal_nothing_is_coloured(pytester, tmp_path):
    config = pytester.parseconfigure("-p", "no:terminal")

    assert "--color=no" in made(config, tmp_path)


def test_a_file_on_another_drive_is_given_whole(config_of, tmp_path, monkeypatch):
    def relpath(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    config = config_of()
    monkeypatch.setattr(harness.pool.arguments.os.path, "relpath", relpath)

    assert str(config.rootpath / "experiment_a.py") in made(config, tmp_path)
