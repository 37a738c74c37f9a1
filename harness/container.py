"""A training job's folders and hyperparameters in; one trial's record, files, model and objective out.

What runs in a container of SageMaker, started by the image's own `train`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import shutil
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from harness.backends.sagemaker import record
from harness.backends.sagemaker.plan import (
    EXPERIMENT,
    OBJECTIVE,
    TRIAL,
    VALUES,
    Plan,
    PlannedExperiment,
    channel,
    chosen,
    number,
)
from harness.backends.sagemaker.record import JobRecord
from harness.backends.sagemaker.relocation import PROJECT, arrived, renamed
from harness.backends.sagemaker.versions import mismatches
from harness.errors import HarnessError
from harness.pool.messages import Answer
from harness.results import MODEL, TrialRecord, unpack


class ContainerError(HarnessError):
    """The trial cannot run in this container."""


class _RaisedError(Exception):
    """The trial's own code raised; the record says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where SageMaker has put things, and where it looks for them."""

    config: Path
    data: Path
    """With a folder for each channel."""
    output: Path
    """For the failure file."""
    results: Path
    """Kept as output.tar.gz."""
    model: Path
    """Kept as model.tar.gz."""
    job: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Folders:
        """Read the variables that the training toolkit sets; raise ContainerError if one is missing."""
        try:
            return cls(
                config=Path(environment["SM_INPUT_CONFIG_DIR"]),
                data=Path(environment["SM_INPUT_DIR"]) / "data",
                output=Path(environment["SM_OUTPUT_DIR"]),
                results=Path(environment["SM_OUTPUT_DATA_DIR"]),
                model=Path(environment["SM_MODEL_DIR"]),
                job=environment["TRAINING_JOB_NAME"],
            )
        except KeyError as error:
            raise ContainerError(
                f"the variable {error.args[0]} is not set", "start it by `train` of sagemaker-training"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """Which trial this job is for."""

    planned: PlannedExperiment
    index: int
    """Among the planned trials."""
    values: Mapping[str, Any] | None = None
    """What was chosen for a search, in its plain form."""

    @property
    def node_id(self) -> str:
        return self.planned.trials[self.index]


def main(code: Path) -> int:
    """Run the trial of this job; return 0 unless the job is to fail, its reason in the failure file.

    code: folder of the unpacked archive.
    """
    try:
        folders = Folders.of(os.environ)
    except ContainerError as error:
        print(f"harness: {error}", file=sys.stderr, flush=True)
        return 1
    try:
        _run(code, folders)
    except _RaisedError as error:
        text = f"{record.RAISED}: {error}"
    except HarnessError as error:
        text = f"harness: {error}"
    except Exception:  # noqa: BLE001  # whatever it is, the job must say it
        text = f"harness: {traceback.format_exc()}"
    else:
        return 0
    print(text, file=sys.stderr, flush=True)
    folders.output.mkdir(parents=True, exist_ok=True)
    (folders.output / "failure").write_text(text, encoding="utf-8")
    return 1


def _run(code: Path, folders: Folders) -> None:
    plan = Plan.from_json(json.loads((code / "plan.json").read_bytes()))
    problems = mismatches(plan.requirements, plan.python)
    if problems:
        raise ContainerError(
            f"this image does not match where pytest was started: {'; '.join(problems)}",
            "build an image from what `harness dockerfile` prints, and name it in sagemaker_image",
        )
    hyperparameters = json.loads((folders.config / "hyperparameters.json").read_bytes())
    task = _task(plan, hyperparameters, folders.job)
    print(f"harness {harness.__version__}, Python {platform.python_version()}: {task.node_id}", flush=True)
    scratch = code.parent / "harness"
    for name in task.planned.datasets:
        _unpack(folders.data / channel(name), scratch / "store" / "data" / plan.data[name]["digest"])
    made = _perform(plan, task, code / "project", scratch, folders.job)
    _hand_over(made, scratch / "run", folders)


def _task(plan: Plan, hyperparameters: Mapping[str, str], job: str) -> _Task:
    """Return the trial that hyperparameters, or the job's own name, stand for."""
    try:
        planned = plan.experiments[hyperparameters[EXPERIMENT]]
        if TRIAL in hyperparameters:
            values = json.loads(hyperparameters.get(VALUES, "null"))
            return _Task(planned=planned, index=int(hyperparameters[TRIAL]), values=values)
        if planned.ranges is None:
            return _Task(planned=planned, index=planned.layout.find(hyperparameters))
        place = number(job)
        if place is None or not 1 <= place <= len(planned.trials):
            raise ContainerError(f"the name of job {job!r} does not say the number of its trial")
        return _Task(
            planned=planned,
            index=place - 1,
            values=chosen(planned.ranges, hyperparameters),
        )
    except (LookupError, ValueError) as error:
        raise ContainerError(
            f"no trial of the plan has the hyperparameters {dict(hyperparameters)}"
        ) from error


def _unpack(given: Path, folder: Path) -> None:
    """Write the Arrow files of a data set where the store has them."""
    from harness.data.parquet import decode

    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation"):
        decode(given / f"{split}.parquet", folder / f"{split}.arrow")


def _perform(plan: Plan, task: _Task, project: Path, scratch: Path, job: str) -> JobRecord:
    """Let a worker of the pool run the trial in this process."""
    from harness.cores import cores
    from harness.pool.processes import limited
    from harness.worker import work

    threads = plan.threads or cores()
    os.environ.update(limited(threads))  # before anything reads it
    first = arrived(plan.first_word(), project=str(project), scratch=str(scratch), path=sys.path)
    wanted = task.planned.params[task.index]
    order = {"node_id": task.node_id, "params": wanted, "values": task.values}
    (scratch / "run").mkdir(parents=True, exist_ok=True)
    told = [
        {**first.to_json(), "threads": threads},
        {"do": "data", "prepared": {name: plan.data[name] for name in task.planned.datasets}},
        {"do": "run", "orders": [order]},
        {"do": "end"},
    ]
    heard = _converse(work, told)
    events = {message["event"]: message for message in heard}
    if "result" not in events and "exit" not in events:
        refused = events.get("refused") or events.get("strange") or {}
        raise ContainerError(f"{task.node_id} cannot run here: {refused.get('reason', 'no answer came')}")
    result, late, left = events.get("result", {}), events.get("late", {}), events.get("exit")
    said = Answer(result.get("reports", ()), result.get("warnings", ()))
    answer = renamed(said, str(project), PROJECT)
    return JobRecord(
        harness=harness.__version__,
        job=job,
        node_id=task.node_id,
        reports=answer.reports,
        warnings=answer.warnings,
        late=late.get("reports", ()),
        late_warnings=late.get("warnings", ()),
        exited=None if left is None else (left["reason"], left["code"]),
        values=task.values,
    )


def _converse(work: Any, told: list[Any]) -> list[Any]:
    """Tell a worker, in this thread, all that it is to do; return what it said."""
    from harness.pool.frames import Channel

    theirs, ours = os.pipe()
    mine, its = os.pipe()
    heard: list[Any] = []
    # A worker kills its process group when nobody listens any more: our end is never closed, not even
    # by Python's own end.
    channel = Channel(os.fdopen(mine, "rb"), os.fdopen(ours, "wb", closefd=False))

    def listen() -> None:
        with contextlib.suppress(EOFError):
            while True:
                heard.append(channel.receive())

    def tell() -> None:
        for message in told:
            channel.send(message)

    threads = [threading.Thread(target=target, daemon=True) for target in (listen, tell)]
    for thread in threads:
        thread.start()
    with os.fdopen(its, "wb") as writer:
        work(os.fdopen(theirs, "rb", closefd=False), writer)
    for thread in threads:
        thread.join()
    return heard


def _hand_over(made: JobRecord, run: Path, folders: Folders) -> None:
    """Put all that was made where SageMaker looks for it; raise _RaisedError if the job is to fail."""
    kept = unpack(made.payload)
    assert kept is None or isinstance(kept, TrialRecord)
    model = kept.files.get(MODEL) if kept else None
    folders.results.mkdir(parents=True, exist_ok=True)
    folders.model.mkdir(parents=True, exist_ok=True)
    if model is not None:
        shutil.move(run / model, folders.model / "model.pkl")
    if (run / "trials").is_dir():
        shutil.move(run / "trials", folders.results / "trials")
    content = record.dump(made)
    (folders.results / record.NAME).write_bytes(content)
    if kept is None:  # it called `pytest.exit`
        return
    value = kept.value if kept.value is not None and math.isfinite(kept.value) else None
    if value is not None:
        print(f"{OBJECTIVE} {value!r}", flush=True)
    print(f"harness: {made.node_id} {kept.outcome}", flush=True)
    if kept.output:
        print(kept.output, flush=True)
    if kept.outcome != "passed":
        print(kept.message, flush=True)
    if kept.outcome in ("raised", "error") and value is None:
        for line in record.lines(content):
            print(line, flush=True)
        raise _RaisedError(kept.message)
