import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tracked import BEST, CONTRACT, GATE, NODE, STARTED, begin, content, fit, give_model, record, trial

from harness.results import BestRecord
from harness.rundir import runs
from harness.store import Store
from harness.tracking import Background, Delivery, deliver, rows, scribe
from harness.tracking.address import public
from harness.tracking.lock import claim
from harness.tracking.quiet import quiet

with quiet():
    from mlflow import MlflowClient
    from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

    from harness.tracking import runs as tracking_runs


pytestmark = pytest.mark.usefixtures("apart_from_mlflow")


@pytest.fixture(scope="module")
def fitted():
    return fit()


@pytest.fixture
def project(request, tmp_path):
    return f"{request.node.name} {tmp_path.name}"


@pytest.fixture(params=["rows", "calls"])
def way(request, monkeypatch):
    """By rows of MLflow's tables, and by its calls, as into a server or another version."""
    if request.param == "calls":
        monkeypatch.setattr(rows, "REVISION", "another")


class Session:
    """What the session does with a run while its trials go on."""

    def __init__(self, store, project, uri, *, started=True, **fields):
        self.folder = begin(store, project, **fields)
        self.background = Background(store, self.folder, root=store.root.parent, uri=uri)
        self.uri = uri
        if started:
            self.background.begin()

    def take(self, *records):
        for item in records:
            self.folder.record(item)
            self.background.take(item)

    def written(self):
        return len(self.folder.delivered().get(public(self.uri), {}))

    def wait(self, number):
        until(lambda: self.written() >= number)

    def give_up(self):
        self.background.abandon()
        self.rest()

    def rest(self):
        """Wait for the write under way, which may take its time, and let go of what it needed."""
        until(lambda: not self.background._thread.is_alive())
        self.background.abandon()

    def end(self, *records, exit=0, progress=None):
        self.take(*records)
        self.folder.finish(exit, STARTED + 60)
        return self.background.finish(progress)


def until(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "in vain"
        time.sleep(0.01)


def other(number, **fields):
    """A trial of a second experiment."""
    return trial(
        number, node_id=f"{NODE}_b[C:{number}]", experiment="experiment_a_b", **{"dataset": None, **fields}
    )


# The same as at once.


@pytest.mark.usefixtures("way")
def test_a_run_written_beside_its_trials_is_as_if_written_at_its_end(store, project, database, fitted):
    def folder_of(folder):
        give_model(folder, fitted, store.root.parent)
        (folder.path / "3.txt").write_text("a drawing")
        return folder

    best = BestRecord.from_json({**BEST.to_json(), "example": "example.json"})
    records = [
        CONTRACT,
        trial(2, outcome="raised", scores={}, message="before anything has an objective"),
        trial(0, curves={"loss": [0.5, 0.25, 0.375]}, logged={"rounds": 7}),
        other(0, outcome="pruned", scores={}),
        trial(1, files={"model": "model.pkl", "artifact/plots/roc.txt": "3.txt"}),
        trial(3, reused_from="run-0", files={"model": "model.pkl"}),
    ]
    record(folder_of(begin(store, f"{project} at once")), *records, GATE, best)
    assert deliver(store, root=store.root.parent, uri=database).problem is None
    expected = content(database, f"{project} at once")
    shutil.rmtree(store.path("runs"))

    session = Session(store, project, database)
    folder_of(session.folder)
    for count, item in enumerate(records):
        session.take(item)
        session.wait(count)  # one after another, the contract has none
    early = content(database, project)
    assert (early[f"experiment:{NODE}"]["status"], early[f"experiment:{NODE}"]["tags"]["outcome"]) == (
        "RUNNING",
        "running",
    )
    assert "best" not in early[f"trial:{NODE}[C:1]"]["tags"]

    delivery = session.end(GATE, best)

    assert delivery == Delivery(database, runs=2, trials=5, models=1)
    assert content(database, project) == expected
    assert session.folder.settled
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(database)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_order_and_the_pauses_it_is_the_same(tmp_path_factory, database, monkeypatch, data):
    monkeypatch.setattr(rows, "REVISION", data.draw(st.sampled_from([rows.REVISION, "another"])))
    outcome = st.sampled_from(["passed", "failed", "raised", "skipped", "pruned", "error"])
    scores = st.sampled_from([{}, {"validation": {"roc_auc": 0.7}}])
    trials = [trial(n, outcome=data.draw(outcome), scores=data.draw(scores)) for n in range(4)]
    trials += [other(n, outcome=data.draw(outcome)) for n in range(2)]
    again = replace(trials[0], outcome=data.draw(outcome), message=data.draw(st.sampled_from(["", "why"])))
    trials += [again] * data.draw(st.integers(0, 1))  # a plugin has run it again
    order = data.draw(st.permutations(trials))
    pauses = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    gone = BestRecord(experiment="experiment_a_b", node_id="gone")
    bests = data.draw(st.sampled_from([[], [BEST], [BEST, gone]]))
    exit = data.draw(st.sampled_from([0, 1, 3]))
    found = []
    for beside in (True, False):
        store = Store(tmp_path_factory.mktemp("one") / ".harness")
        store.open()
        name = store.root.parent.name
        if beside:
            session = Session(store, name, database)
            session.take(CONTRACT)
            seen = set()
            for item, pause in zip(order, pauses, strict=True):
                session.take(item)
                seen.add(item.node_id)
                if pause:
                    session.wait(len(seen))
            delivery = session.end(GATE, *bests, exit=exit)
        else:
            record(begin(store, name), CONTRACT, *order, GATE, *bests, exit=exit)
            delivery = deliver(store, root=store.root.parent, uri=database)
        assert (delivery.pending, delivery.problem) == (0, None)
        found.append((delivery, content(database, name)))
    assert found[0] == found[1]


def test_records_may_come_from_any_thread(store, project, database):
    session = Session(store, project, database)
    parts = [[trial(10 * part + n) for n in range(10)] for part in range(4)]
    threads = [threading.Thread(target=session.take, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.end() == Delivery(database, runs=1, trials=40)
    assert len(content(database, project)) == 41


@pytest.mark.usefixtures("way")
def test_a_trial_costs_the_same_however_many_there_were(store, project, database, monkeypatch):
    calls = []

    class Counting:
        def __init__(self, uri):
            self._client = MlflowClient(uri)

        def __getattr__(self, name):
            calls.append(name)
            return getattr(self._client, name)

    monkeypatch.setattr(tracking_runs, "MlflowClient", Counting)
    session = Session(store, project, database)
    before, counts = 0, []
    for start in (0, 10, 20):
        session.take(*(trial(n) for n in range(start, start + 10)))
        session.wait(start + 10)
        counts.append(len(calls) - before)
        before = len(calls)
    assert counts[1] == counts[2] <= 30, "create_run, log_batch, set_terminated; no look-ups"
    session.end()
    assert len(calls) - before <= 2, "the parent run alone"


def test_what_earlier_runs_left_is_delivered_too_and_counted(store, project, database):
    record(begin(store, project, id="before", started=STARTED - 100), trial(0))
    session = Session(store, project, database, id="now")
    assert session.end(trial(0), trial(1)) == Delivery(database, runs=2, trials=3)


def test_without_a_trial_nothing_is_written(store, project, database):
    assert Session(store, project, database).end(CONTRACT) == Delivery(database)
    assert content(database, project) == {}


def test_a_run_whose_thread_never_began_is_delivered_at_its_end(store, project, database):
    session = Session(store, project, database, started=False)
    assert session.end(trial(0)) == Delivery(database, runs=1, trials=1)


def test_a_trial_whose_file_is_missing_is_told_once_at_the_end(store, project, database):
    session = Session(store, project, database)
    session.take(trial(0, files={"artifact/a.txt": "a.txt"}), trial(1))
    session.wait(1)
    delivery = session.end()
    assert (delivery.trials, delivery.pending) == (1, 1)
    assert delivery.problem.count("a.txt is missing") == 1


def test_a_trial_that_mlflow_refuses_holds_up_no_other(store, project, database, monkeypatch):
    monkeypatch.setattr(rows, "REVISION", "another")
    original = MlflowClient.log_batch

    def log_batch(self, run_id, metrics=(), params=(), *rest, **options):
        if any(param.value == "refused" for param in params):
            metrics = [*metrics, type(metrics[0])("", 1.0, 0, 0)]
        return original(self, run_id, metrics, params, *rest, **options)

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    session = Session(store, project, database)
    session.take(trial(0, params={"p": "refused"}))
    session.take(trial(1), trial(2))
    session.wait(2)
    delivery = session.end()
    assert (delivery.runs, delivery.trials, delivery.pending) == (1, 2, 1)
    assert "did not take all of run run-1: MlflowException" in delivery.problem


def test_an_experiment_that_mlflow_refuses_is_told_once_at_the_end(store, project, database, monkeypatch):
    original = MlflowClient.create_run

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        if run_name == "experiment_a":
            raise MlflowException("no", INVALID_PARAMETER_VALUE)
        return original(self, experiment_id, start_time, tags, run_name)

    monkeypatch.setattr(MlflowClient, "create_run", create_run)
    session = Session(store, project, database)
    session.take(trial(0))
    session.take(trial(1))
    session.take(other(0))
    until(session.background._scribe._queue.empty)
    delivery = session.end()
    assert "did not take all of run run-1: MlflowException: no" in delivery.problem
    assert delivery.pending >= 3


# Progress.


def slow(monkeypatch, seconds):
    original = MlflowClient.set_terminated

    def set_terminated(*arguments, **options):
        time.sleep(seconds)
        return original(*arguments, **options)

    monkeypatch.setattr(MlflowClient, "set_terminated", set_terminated)
    monkeypatch.setattr(rows, "REVISION", "another")


def test_one_sees_how_far_a_slow_store_got(store, project, database, monkeypatch):
    slow(monkeypatch, 0.2)
    seen = []
    session = Session(store, project, database)
    session.take(*(trial(n) for n in range(7)))
    delivery = session.end(progress=lambda *counts: seen.append((threading.current_thread(), *counts)))
    assert (delivery.trials, delivery.pending) == (7, 0)
    threads, done, totals = map(list, zip(*seen, strict=True))
    assert set(threads) == {threading.main_thread()}
    assert done == sorted(done)
    assert done[0] < 8
    assert set(totals) == {8}


def test_a_quick_end_says_nothing(store, project, database):
    session = Session(store, project, database)
    session.take(*(trial(n) for n in range(3)))
    session.wait(3)
    clock = iter([0.0, *[0.9] * 1000])
    from harness.tracking import courier

    original = courier.Pace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(courier, "Pace", lambda *args: original(*args, clock=lambda: next(clock)))
        delivery = session.end(progress=lambda done, total: pytest.fail("too early"))

    assert (delivery.runs, delivery.trials, delivery.problem) == (1, 3, None)
    assert next(clock) == 0.9  # it was asked


def test_ctrl_c_at_the_end_gives_up_and_the_next_delivery_completes(store, project, database, monkeypatch):
    slow(monkeypatch, 0.3)

    def interrupt(done, total):
        raise KeyboardInterrupt

    session = Session(store, project, database)
    session.take(*(trial(n) for n in range(6)))
    with pytest.raises(KeyboardInterrupt):
        session.end(progress=interrupt)
    session.rest()
    assert session.written() < 7
    assert deliver(store, root=store.root.parent, uri=database).pending == 0
    assert len(content(database, project)) == 7


# Given up, killed, cut off.


@pytest.mark.usefixtures("way")
def test_an_abandoned_run_is_completed_by_the_next_delivery(store, project, database):
    session = Session(store, project, database)
    session.take(CONTRACT, *(trial(n) for n in range(4)))
    session.wait(2)
    session.give_up()
    session.folder.finish(2, STARTED + 60)

    begun = content(database, project)
    assert begun[f"experiment:{NODE}"]["status"] == "RUNNING"
    delivery = deliver(store, root=store.root.parent, uri=database)
    assert (delivery.runs, delivery.pending, delivery.problem) == (1, 0, None)
    found = content(database, project)
    assert len(found) == 5
    assert found[f"experiment:{NODE}"]["status"] == "KILLED"
    below = [run["tags"].get("mlflow.parentRunId") for key, run in found.items() if key.startswith("trial:")]
    assert below == [f"experiment:{NODE}"] * 4


def test_giving_up_before_it_began_or_twice_is_no_trouble(store, project, database):
    session = Session(store, project, database, started=False)
    session.background.abandon()
    session.background.abandon()
    record(session.folder, trial(0))
    assert deliver(store, root=store.root.parent, uri=database).trials == 1


KILLED = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[4])
    from tracked import begin, trial
    from harness.store import Store
    from harness.tracking import Background, rows
    if sys.argv[5] == "calls":
        rows.REVISION = "another"
    store = Store(Path(sys.argv[1]))
    folder = begin(store, sys.argv[2])
    background = Background(store, folder, root=store.root.parent, uri=sys.argv[3])
    background.begin()
    for number in range(400):
        folder.record(trial(number))
        background.take(trial(number))
        if number % 40 == 0:
            print(number, flush=True)
            time.sleep(0.05)
    time.sleep(600)
"""


def child(code, *arguments, **options):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("way_of_writing", ["rows", "calls"])
def test_after_a_kill_in_the_middle_nothing_is_lost_and_nothing_there_twice(
    store, project, database, way_of_writing
):
    arguments = (store.root, project, database, Path(__file__).parent, way_of_writing)
    with child(KILLED, *arguments) as process:
        try:
            until(lambda: runs(store) and len(runs(store)[0].delivered().get(database, {})) > 5)
            assert deliver(store, root=store.root.parent, uri=database).busy == 1, "it is the other's"
            time.sleep(random.random() / 20)
        finally:
            process.kill()
    (folder,) = runs(store)
    recorded = len(folder.records().trials)
    early = len(folder.delivered()[database])
    assert early < recorded + 1
    delivery = deliver(store, root=store.root.parent, uri=database)
    assert (delivery.pending, delivery.problem, delivery.busy) == (0, None, 0)
    found = content(database, project)  # raises if something is there twice
    assert len(found) == recorded + 1
    assert {run["status"] for run in found.values()} == {"FINISHED", "KILLED"}


FOUNDING = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from tracked import begin, trial
    from harness.store import Store
    from harness.tracking import Background, database
    database.VERSION = "another"  # of which no schema is kept
    store = Store(Path(sys.argv[1]))
    folder = begin(store, "p")
    background = Background(store, folder, root=store.root.parent)
    background.begin()
    folder.record(trial(0))
    background.take(trial(0))
    sys.stdin.readline()
"""


def test_a_kill_while_the_store_is_made_leaves_none_that_is_broken(store, tmp_path):
    """MLflow's migrations are not one transaction, and cannot be taken up again."""
    drafts = tmp_path / "temporary"
    drafts.mkdir()
    environment = {**os.environ, "TMPDIR": str(drafts)}
    arguments = (store.root, Path(__file__).parent)
    with child(FOUNDING, *arguments, env=environment, stdin=subprocess.PIPE) as process:
        until(lambda: any(draft.stat().st_size > 100_000 for draft in drafts.glob("*/mlflow.db")))
        process.kill()
    assert not (tmp_path / "mlflow.db").exists()
    assert deliver(store, root=tmp_path) == Delivery(f"sqlite:///{tmp_path}/mlflow.db", runs=1, trials=1)
    assert len(content(f"sqlite:///{tmp_path}/mlflow.db", "p")) == 2


# A store that does not answer.


@pytest.fixture
def deaf():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server


def at(server):
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_is_down_is_one_problem_at_the_end(store, project, database, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        session = Session(store, project, "http://ann:secret@127.0.0.1:9")
        session.background.hush()
        session.take(trial(0), trial(1))
        until(lambda: session.background._scribe.failure)
        delivery = session.end()
    assert (delivery.runs, delivery.trials, delivery.pending) == (0, 0, 3)
    assert delivery.problem == (
        "MLflow at http://127.0.0.1:9 cannot be used: "
        "Failed to establish a new connection: [Errno 111] Connection refused"
    )
    assert (seen, capfd.readouterr()) == ([], ("", ""))
    assert deliver(store, root=store.root.parent, uri=database).trials == 2


def test_a_store_that_is_back_gets_what_came_meanwhile(store, project, database, monkeypatch):
    monkeypatch.setattr(scribe, "_PAUSE", 0.05)
    gone = threading.Event()
    gone.set()

    class Faulty:
        def __init__(self, uri):
            self._client = MlflowClient(uri)

        def __getattr__(self, name):
            if gone.is_set():
                raise ConnectionError("gone")
            return getattr(self._client, name)

    monkeypatch.setattr(tracking_runs, "MlflowClient", Faulty)
    session = Session(store, project, database)
    session.take(trial(0))
    until(lambda: session.background._scribe.failure)
    gone.clear()
    session.take(trial(1))
    session.wait(2)
    assert session.background._scribe.failure is None
    gone.set()
    session.take(trial(2, files={"artifact/a.txt": "a.txt"}))  # by calls
    until(lambda: session.background._scribe.failure)
    gone.clear()
    (session.folder.path / "a.txt").write_text("here")
    session.take(trial(3))
    session.wait(3)
    assert session.end() == Delivery(database, runs=1, trials=4)
    assert len(content(database, project)) == 5


def test_who_gives_up_does_not_wait_for_a_server_that_hangs(store, project, database, deaf, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")
    session = Session(store, project, at(deaf))
    session.take(trial(0))
    connection, _ = deaf.accept()
    started = time.monotonic()
    session.background.abandon()
    assert time.monotonic() - started < 10, "a sixtieth of what the server would get"
    assert claim(session.folder) is None, "the thread may still write"
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ
    connection.close()


HANGING = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from tracked import begin, trial
    from harness.store import Store
    from harness.tracking import Background
    store = Store(Path(sys.argv[1]))
    background = Background(store, begin(store, "p"), root=store.root.parent, uri=sys.argv[2])
    background.begin()
    background.take(trial(0))
    print("begun", flush=True)
    sys.stdin.readline()
    if sys.argv[4] == "abandon":
        background.abandon()
    print("the end")
"""


@pytest.mark.parametrize(("connected", "how"), [(True, "forget"), (True, "abandon"), (False, "abandon")])
def test_the_interpreter_ends_although_a_server_hangs_or_mlflow_is_still_imported(
    store, deaf, connected, how
):
    environment = {**os.environ, "MLFLOW_HTTP_REQUEST_TIMEOUT": "600"}
    arguments = (store.root, at(deaf), Path(__file__).parent, how)
    with child(HANGING, *arguments, env=environment, stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == "begun\n"
        kept = [deaf.accept()] if connected else time.sleep(0.1)
        out, err = process.communicate("go\n", timeout=100)
    del kept
    assert (process.returncode, out, err) == (0, "the end\n", "")


def test_a_store_that_cannot_be_written_is_a_problem_at_the_end(store, project, tmp_path):
    (tmp_path / "mlflow.db").write_text("hello")
    session = Session(store, project, None, started=False)
    session.background.begin()
    session.take(trial(0))
    session.folder.finish(0, STARTED + 60)
    delivery = session.background.finish()
    assert (delivery.trials, delivery.pending) == (0, 2)
    assert "is not a SQLite database" in delivery.problem


# Several at once.


def test_a_run_that_goes_on_is_left_to_its_own_process(store, project, database):
    session = Session(store, project, database)
    session.take(trial(0))
    session.wait(1)
    record(begin(store, project, id="other", started=STARTED - 9), trial(0))
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(
        database, runs=1, trials=1, busy=1
    )
    assert session.end(trial(1)) == Delivery(database, runs=1, trials=2)


def test_a_run_that_someone_else_has_claimed_is_told_of(store, project, database):
    folder = begin(store, project)
    with claim(folder):
        background = Background(store, folder, root=store.root.parent, uri=database)
        background.begin()
        record(folder, trial(0))
        delivery = background.finish()
    assert (delivery.pending, delivery.problem) == (2, "another process delivers run run-1")


def test_a_run_that_cannot_be_claimed_is_a_problem_at_the_end(store, project, database):
    folder = begin(store, project)
    (folder.path / "delivery.lock").mkdir()
    background = Background(store, folder, root=store.root.parent, uri=database)
    background.begin()
    record(folder, trial(0))
    delivery = background.finish()
    assert delivery.pending == 2
    assert "delivery.lock cannot be locked" in delivery.problem


TOGETHER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from tracked import begin, trial
    from harness.store import Store
    from harness.tracking import Background
    store = Store(Path(sys.argv[1]))
    folder = begin(store, "p", id=sys.argv[2])
    background = Background(store, folder, root=store.root.parent)
    sys.stdin.readline()
    background.begin()
    for number in range(30):
        folder.record(trial(number))
        background.take(trial(number))
    folder.finish(0, 1_700_000_060.0)
    print(background.finish())
"""


def test_two_runs_of_a_project_at_once_make_one_store_and_write_nothing_twice(store, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    processes = [
        child(TOGETHER, store.root, id, Path(__file__).parent, stdin=subprocess.PIPE, env=environment)
        for id in ("a", "b")
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    texts = [process.communicate(timeout=200) for process in processes]
    for out, err in texts:
        assert "problem=None" in out, err
        assert "runs=1, trials=30" in out
        assert "pending=0" in out
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'p'")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 62
    assert len({(run.data.tags["harness.run"], run.data.tags["harness.key"]) for run in found}) == 62


# Beside the user's own.


STRICT = """
    import os, sys, time, warnings
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from tracked import begin, trial
    from harness.store import Store
    assert "mlflow.store.tracking.sqlalchemy_store" not in sys.modules
    from harness.tracking import Background
    store = Store(Path(sys.argv[1]))
    folder = begin(store, "p")
    before = dict(os.environ), list(warnings.filters)
    background = Background(store, folder, root=store.root.parent)
    background.begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        background.hush()
        folder.record(trial(0))
        background.take(trial(0))
        while not folder.delivered():
            time.sleep(0.01)
        try:
            warnings.warn("mine", DeprecationWarning)
        except DeprecationWarning:
            print("mine is an error")
    folder.finish(0, 1_700_000_060.0)
    print(background.finish().problem)
    assert dict(os.environ) == before[0], set(os.environ.items()) ^ set(before[0].items())
    assert list(warnings.filters) == before[1], set(warnings.filters) ^ set(before[1])
"""


def test_where_the_user_s_warnings_are_errors_mlflow_works_and_says_nothing(store, pristine, tmp_path):
    """One that it raises while it is imported would leave its database code broken for the whole process."""
    shutil.copy(pristine, tmp_path)
    with child(STRICT, store.root, Path(__file__).parent) as process:
        out, err = process.communicate(timeout=200)
    assert (process.returncode, out, err) == (0, "mine is an error\nNone\n", "")


def test_what_mlflow_warns_of_between_two_items_is_not_the_user_s(store, project, database, monkeypatch):
    """It was in pytest's summary: that of an input example, if the session ended as models were rehearsed."""
    ended = threading.Event()

    def chatter(*_):
        ended.wait(60)
        warnings.warn("An input example was not provided when logging the model.", UserWarning, stacklevel=1)

    monkeypatch.setattr(scribe.Scribe, "_write_trials", chatter)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = list(warnings.filters)
        session = Session(store, project, database, started=False)
        with warnings.catch_warnings():  # of an item
            session.background.begin()
            session.background.hush()
        with warnings.catch_warnings(record=True) as seen:  # of the session's end, not hushed yet
            session.take(trial(0))
            ended.set()
            session.background._scribe.end()
            until(lambda: not session.background._thread.is_alive())
        assert seen == []
        session.end()
        assert list(warnings.filters) == before


def test_the_environment_and_the_user_s_mlflow_are_as_before(store, project, database):
    before = dict(os.environ)
    session = Session(store, project, database)
    assert {**os.environ}.keys() - before.keys() == {"MLFLOW_DISABLE_TELEMETRY"}
    session.take(trial(0))
    session.wait(1)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "false"  # the user's trial sets it meanwhile
    session.end()
    assert os.environ.pop("MLFLOW_DISABLE_TELEMETRY") == "false"
    assert dict(os.environ) == before


def test_ctrl_c_reaches_the_main_thread_while_the_other_writes(store, project, database, monkeypatch):
    slow(monkeypatch, 0.2)
    session = Session(store, project, database)
    session.take(*(trial(n) for n in range(5)))
    session.folder.finish(2, STARTED + 60)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        session.background.finish()
    session.rest()
    assert deliver(store, root=store.root.parent, uri=database).pending == 0
