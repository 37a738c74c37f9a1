"""Groups of trials in; what they need checked, priced and uploaded, and their jobs, not yet started, out."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.backends.base import Planner
from harness.backends.sagemaker import parcel, requests
from harness.backends.sagemaker.account import Account
from harness.backends.sagemaker.archive import digest, pack
from harness.backends.sagemaker.jobs import Jobs, SingleJobs, TuningJob, by_number, by_point
from harness.backends.sagemaker.limits import violations
from harness.backends.sagemaker.options import SageMakerSettings
from harness.backends.sagemaker.planning import Group
from harness.backends.sagemaker.requests import Request, Surroundings
from harness.backends.sagemaker.service import Service
from harness.backends.sagemaker.uploads import Uploads
from harness.data.parquet import encode
from harness.errors import HarnessError
from harness.store import Store

_ARCHIVE = "sourcedir.tar.gz"
_TUNING, _TRAINING = "CreateHyperParameterTuningJob", "CreateTrainingJob"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """Whose trials are to run, and how."""

    config: pytest.Config
    settings: SageMakerSettings
    account: Account
    store: Store
    run: str
    """Id of the run."""
    seed: int
    threads: int | None
    """Of one fit; None: all of a machine."""
    files: Sequence[Path]
    """Experiment files of the trials."""
    prepared: Mapping[str, Any]
    """Records of the data sets, by name."""
    opened: Collection[Path]
    """Files that the data sets were read from."""


class Submission:
    """What is ready to be sent; nothing has been sent yet."""

    def __init__(self, commission: Commission, groups: Sequence[Group], planner: Planner) -> None:
        """Raise HarnessError for what SageMaker would not take, or what cannot travel."""
        settings, account = commission.settings, commission.account
        self._commission = commission
        self._groups = groups
        self._planner = planner
        plan, self.local = parcel.plan(
            commission.config,
            commission.files,
            threads=commission.threads,
            prepared=commission.prepared,
            experiments={group.experiment: group.planned for group in groups},
        )
        members, self.left_out = parcel.members(
            commission.config,
            plan,
            installs=account.installs,
            include=settings.include,
            files=commission.files,
            data=commission.opened,
            apart=commission.store.root,
        )
        self._archive = pack(members)
        self._digests = {name: str(record["digest"]) for name, record in plan.data.items()}
        self._around = Surroundings(
            settings=settings,
            role=account.role,
            bucket=account.bucket,
            image=account.image,
            run=commission.run,
            source=f"{settings.prefix}/source/{digest(self._archive)}/{_ARCHIVE}",
            data={name: f"{settings.prefix}/data/{made}/" for name, made in self._digests.items()},
        )
        self._tunings = {
            group.experiment: made
            for number, group in enumerate(groups, 1)
            if (made := self._tuning(group, number)) is not None
        }
        self._check()

    def _tuning(self, group: Group, number: int) -> Request | None:
        """Return the request of a group's tuning job; None: it has none."""
        objective = group.briefs[0].objective
        if objective is None:
            return None
        if group.layout is not None:
            values = group.layout.values
            return requests.grid(
                self._around, group.experiment, values, objective, group.datasets, number=number
            )
        if not group.guided or group.search is None:
            return None
        return requests.guided(
            self._around,
            group.experiment,
            objective,
            group.datasets,
            search=group.search,
            trials=len(group.briefs),
            seed=_seed(self._commission.seed, group.experiment),
            number=number,
        )

    def _check(self) -> None:
        """Raise HarnessError for a request that is over the service's own limits."""
        wanted = [(_TUNING, request) for request in self._tunings.values()]
        for group in self._groups:
            if group.experiment not in self._tunings:
                singles = range(len(group.briefs) if group.search is None else 1)
                wanted += [(_TRAINING, self._single(group, index, None)) for index in singles]
        for operation, request in wanted:
            found = violations(operation, request)
            if found:
                raise HarnessError(
                    f"SageMaker would refuse {next(iter(request.values()))}: {'; '.join(found)}",
                    "correct the setting, or run these trials with --backend=local",
                )

    def _single(self, group: Group, index: int, values: Mapping[str, Any] | None) -> Request:
        return requests.single(self._around, group.experiment, index, group.datasets, values=values)

    def _assigned(self, group: Group, index: int) -> Request:
        """Return the request of a trial whose turn has come, with what our own sampler chooses for it."""
        return self._single(group, index, self._planner.assign(group.trials[index]).values)

    def upload(self, uploads: Uploads) -> None:
        """Send the archive and the rows that are not there yet; never test rows."""
        uploads.check()
        uploads.put(self._around.source, self._archive)
        for name, made in self._digests.items():
            for split in ("train", "validation"):
                key = f"{self._around.data[name]}{split}.parquet"
                if uploads.size(key) is not None:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder) / f"{split}.parquet"
                    encode(self._commission.store.path("data", made, f"{split}.arrow"), file)
                    uploads.put(key, file)

    def jobs(self, service: Service) -> list[Jobs]:
        """Return the jobs of each experiment; none has been started."""
        return [self._jobs(group, self._tunings.get(group.experiment), service) for group in self._groups]

    def _jobs(self, group: Group, request: Request | None, service: Service) -> Jobs:
        if request is None:
            wanted: dict[str, Callable[[], Request]] = {
                node_id: partial(self._assigned, group, index) for index, node_id in enumerate(group.trials)
            }
            part = f"-{self._commission.run[-8:]}-"
            return SingleJobs(service, wanted, part=part, parallel=self._commission.settings.parallel_jobs)
        trials = group.trials
        find = by_number(trials) if group.layout is None else by_point(group.layout.find, trials)
        return TuningJob(service, request, trials, find)

    def described(self) -> list[str]:
        """Return a line about each experiment."""
        shown = []
        for group in self._groups:
            request = self._tunings.get(group.experiment)
            named = f" {request['HyperParameterTuningJobName']}" if request else ""
            shown.append(f"{group.experiment}: {len(group.briefs)} as {group.kind}{named}")
        return shown


def _seed(base: int, experiment: str) -> int:
    made = hashlib.blake2b(f"{base}/{experiment}".encode(), digest_size=4).digest()
    return int.from_bytes(made) >> 1
