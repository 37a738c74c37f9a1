import logging
import threading
import warnings

import pytest

from harness.tracking.silence import Silence


@pytest.fixture
def silence():
    silence = Silence()
    yield silence
    silence.lift()


def in_thread(silence, work):
    """Run something in the silent thread; raise here what it raised there."""
    raised = []

    def run():
        silence.begin()
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def warn():
    warnings.warn("chatter", DeprecationWarning, stacklevel=1)


def test_a_warning_of_the_thread_is_not_seen_and_one_of_another_is(silence):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        silence.warnings()
        in_thread(silence, warn)
        assert seen == []
        warn()
        assert [str(warning.message) for warning in seen] == ["chatter"]


def test_where_warnings_are_errors_the_thread_goes_on_and_others_fail(silence):
    silence.warnings()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeprecationWarning):
            in_thread(silence, warn)  # a block has set filters of its own
        silence.warnings()
        in_thread(silence, warn)
        with pytest.raises(DeprecationWarning):
            warn()


def test_it_stands_first_once_however_often_it_is_asked(silence):
    before = list(warnings.filters)
    for _ in range(3):
        silence.warnings()
    assert list(warnings.filters[1:]) == before


def test_once_lifted_everything_is_as_before_and_passes(silence):
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        silence.warnings()
        warnings.simplefilter("always")
        silence.warnings()
        silence.lift()
        in_thread(Silence(), warn)
        assert len(seen) == 1
    assert list(warnings.filters) == before


def test_lifted_in_a_block_it_is_gone_from_the_filters_around_it_too(silence):
    before = list(warnings.filters)
    silence.warnings()
    with warnings.catch_warnings():
        silence.lift()
    assert list(warnings.filters) == before


@pytest.fixture
def heard(monkeypatch):
    """What reaches a handler of the loggers of a family."""

    levels = {}

    def listen(name):
        seen = []
        logger, handler = logging.getLogger(name), logging.Handler()
        handler.emit = lambda record: seen.append(record.getMessage())
        monkeypatch.setattr(logger, "handlers", [handler])
        monkeypatch.setattr(logger, "propagate", False)
        levels[logger] = logger.level
        logger.setLevel(logging.INFO)  # which also forgets what loggers below it knew
        return seen

    yield listen
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.mark.parametrize("name", ["mlflow", "mlflow.store.db", "alembic.runtime", "urllib3.connectionpool"])
def test_a_log_line_of_the_thread_is_not_seen_and_one_of_another_is(silence, heard, name):
    seen, logger = heard(name.partition(".")[0]), logging.getLogger(name)
    silence.loggers()
    in_thread(silence, lambda: logger.warning("chatter"))
    assert seen == []
    logger.warning("mine")
    assert seen == ["mine"]
    silence.lift()
    in_thread(Silence(), lambda: logger.warning("again"))
    assert seen == ["mine", "again"]
    assert silence not in logger.filters


def test_a_logger_made_later_is_silent_by_the_handler_above_it(silence, heard):
    seen = heard("mlflow")
    silence.loggers()
    in_thread(silence, lambda: logging.getLogger("mlflow.made.later").error("chatter"))
    assert seen == []
    logging.getLogger("mlflow.made.later").error("mine")
    assert seen == ["mine"]


@pytest.mark.parametrize("name", ["mlflow.store.db.utils", "alembic.runtime.migration"])
def test_those_that_speak_at_once_are_silent_whatever_handler_comes_later(silence, heard, name):
    silence.loggers()
    seen = heard(name.partition(".")[0])  # as pytest's own handlers come with each phase of an item
    in_thread(silence, lambda: logging.getLogger(name).warning("Creating initial MLflow database tables..."))
    assert seen == []


def test_other_loggers_are_left_alone(silence, heard):
    seen = heard("mine")
    silence.loggers()
    in_thread(silence, lambda: logging.getLogger("mine").warning("a trial's own"))
    assert seen == ["a trial's own"]


def test_a_later_thread_is_heard_though_it_may_have_the_identity_of_the_one_that_ended(silence, heard):
    seen, logger = heard("mlflow"), logging.getLogger("mlflow")
    silence.loggers()

    in_thread(silence, lambda: logger.warning("chatter"))
    for number in range(20):  # nobody has lifted the silence
        in_thread(Silence(), lambda: logger.warning(f"heard {number}"))  # noqa: B023

    assert seen == [f"heard {number}" for number in range(20)]
