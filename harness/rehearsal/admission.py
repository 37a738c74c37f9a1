"""A job's definition in; a refusal, if its role, its inputs or its output cannot be used, out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.rehearsal.address import REGION
from harness.rehearsal.errors import invalid
from harness.rehearsal.faults import Faults
from harness.rehearsal.objects import Objects, address
from harness.rehearsal.roles import Roles


class Admission:
    """What SageMaker looks at before it takes a job."""

    def __init__(self, roles: Roles, objects: Objects, faults: Faults) -> None:
        self._roles, self._objects, self._faults = roles, objects, faults

    def check(self, definition: Mapping[str, Any]) -> None:
        """Raise RefusalError if a job, or the jobs of a tuning job, could not run."""
        self._roles.check(definition["RoleArn"])
        output = definition["OutputDataConfig"]["S3OutputPath"]
        fault = self._fault(address(output)[0])
        if fault:
            raise invalid(f"The S3 output path {output} cannot be used. Error message from S3: {fault}")
        for channel in definition.get("InputDataConfig", ()):
            self._input(channel["DataSource"]["S3DataSource"]["S3Uri"], definition["RoleArn"])

    def _input(self, uri: str, role: str) -> None:
        bucket, prefix = address(uri)
        fault = self._fault(bucket)
        if fault or not self._objects.under(bucket, prefix):
            raise invalid(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
                f"the bucket exists in the selected region ({REGION}), that objects exist under that S3 "
                f'prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
                + (f" Error message from S3: {fault}" if fault else "")
            )

    def _fault(self, bucket: str) -> str:
        """Return what S3 says of a bucket that cannot be used; empty if it can."""
        if not self._objects.has(bucket):
            return "The specified bucket does not exist"
        return "Access Denied" if self._faults.forbidden(bucket) else ""
