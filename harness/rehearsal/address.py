"""Where a rehearsal listens and what it calls its bucket and role in; what points AWS's tools at it out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass

REGION = "us-east-1"
CLIENT = "AKIAREHEARSALCLIENT0"
"""Access key of whoever uses the rehearsal."""
JOB = "AKIAREHEARSALJOB0000"
"""Access key inside of jobs."""
SECRET = "rehearsed"  # noqa: S105  # there is nothing to keep secret

_OTHER_ACCOUNTS = frozenset(
    {
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A rehearsal that listens."""

    endpoint: str
    """URL of all its services, "http://127.0.0.1:PORT"."""
    bucket: str
    """Name of a bucket that exists."""
    role: str
    """ARN of a role that jobs may take on."""
    region: str
    isolation: str
    """How jobs are kept apart: "bubblewrap" or "folder"."""
    instances: int
    """How many jobs run at once."""
    configuration: str
    """File with defaults for the SageMaker SDK."""

    @classmethod
    def of(cls, line: str | bytes) -> Address:
        """Return the address that a line of JSON tells; raise ValueError if it does not."""
        try:
            return cls(**json.loads(line))
        except TypeError as error:
            raise ValueError(str(error)) from None

    def line(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self))

    @property
    def account(self) -> str:
        """The twelve figures of the account."""
        return self.role.split(":")[4]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point boto3 and the SDK at the rehearsal; those of `astray` have to be unset."""
        direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1,localhost")))
        return {
            **credentials(self.endpoint, CLIENT),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAGEMAKER_USER_CONFIG_OVERRIDE": self.configuration,
            "NO_PROXY": direct,
            "no_proxy": direct,
        }


def credentials(endpoint: str, key: str) -> dict[str, str]:
    """Return variables that let AWS's tools speak with a rehearsal."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def astray(names: Iterable[str]) -> list[str]:
    """Return which variables would lead a client elsewhere: to an account or a service that is AWS's own."""
    return [name for name in names if name in _OTHER_ACCOUNTS or name.startswith("AWS_ENDPOINT_URL_")]


def configuration(bucket: str, role: str) -> str:
    """Return the SDK's configuration as YAML; without it the SDK asks the real STS for the account."""
    defaults = {
        "SchemaVersion": "1.0",
        "SageMaker": {
            "PythonSDK": {"Modules": {"TelemetryOptOut": True, "Session": {"DefaultS3Bucket": bucket}}},
            "TrainingJob": {"RoleArn": role},
        },
    }
    return json.dumps(defaults)  # which is YAML
