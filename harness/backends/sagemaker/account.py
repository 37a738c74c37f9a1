"""Settings in; who acts on SageMaker, where and with which image, as the official SDK finds it, out."""

from __future__ import annotations

import contextlib
import difflib
import logging
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.backends.sagemaker.options import SageMakerSettings
from harness.backends.sagemaker.refusals import LOGIN
from harness.errors import HarnessError

_FRAMEWORK = "pytorch"
"""Of AWS's own images it is those for PyTorch that follow Python's versions."""


class AccountError(HarnessError):
    """AWS cannot be reached, or not as whom or where it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who acts on SageMaker, and where."""

    session: Any
    """`sagemaker.core.helper.session_helper.Session`."""
    region: str
    role: str
    bucket: str
    image: str
    installs: bool
    """Whether the image lacks what experiments need, so that each job installs it."""

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        from botocore.config import Config

        # Retries beyond these are the watcher's, who can say so meanwhile.
        config = Config(retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=10, read_timeout=60)
        return self.session.boto_session.client(service, region_name=self.region, config=config)


def connect(settings: SageMakerSettings) -> Account:
    """Return the account that settings name, else the SDK finds; raise AccountError if it finds none.

    A default bucket that does not exist is made, as the SDK does; one that is named is not.
    """
    with hushed(), _told(settings):
        import boto3
        from sagemaker.core.helper.session_helper import Session

        boto = boto3.Session(region_name=settings.region)
        region = _region(boto)
        if boto.get_credentials() is None:
            raise AccountError("no AWS credentials were found", LOGIN)
        session = Session(boto_session=boto, default_bucket=settings.bucket)
        image = settings.image or _image(region, settings.instance)
        if settings.network_isolation and settings.image is None:
            raise AccountError(
                "with network isolation AWS's own image cannot install what the experiments need",
                "build an image from what `harness dockerfile` prints, and name it in sagemaker_image",
            )
        return Account(
            session=session,
            region=region,
            role=_role(session, settings.role),
            bucket=settings.bucket or session.default_bucket(),
            image=image,
            installs=settings.image is None,
        )


def _region(boto: Any) -> str:
    region: str | None = boto.region_name
    if not region:
        raise AccountError(
            "no AWS region was found", "set sagemaker_region, --sagemaker-region=NAME or AWS_DEFAULT_REGION"
        )
    known = [
        name
        for part in boto.get_available_partitions()
        for name in boto.get_available_regions("sagemaker", part)
    ]
    if region not in known:
        close = difflib.get_close_matches(region, known, 1)
        raise AccountError(
            f"SageMaker has no region {region!r}",
            f"did you mean {close[0]!r}?" if close else "set sagemaker_region to one such as us-east-1",
        )
    return region


def _role(session: Any, named: str | None) -> str:
    """Return the role of jobs: the one named, the SDK's configured one, or that of the caller."""
    from sagemaker.core.common_utils import resolve_value_from_config
    from sagemaker.core.config.config_schema import TRAINING_JOB_ROLE_ARN_PATH
    from sagemaker.core.helper.session_helper import get_execution_role

    role: str | None = resolve_value_from_config(
        direct_input=named, config_path=TRAINING_JOB_ROLE_ARN_PATH, sagemaker_session=session
    )
    if role is None:
        try:
            role = get_execution_role(session)
        except ValueError as error:  # the caller is a user
            raise AccountError(
                f"no execution role was found: {error}",
                "set sagemaker_role or --sagemaker-role=ARN to a role that SageMaker may assume",
            ) from None
    if "/" not in str(role):
        role = session.expand_role(role)
    return str(role)


def _image(region: str, instance: str) -> str:
    """Return the newest of AWS's training images that has this Python, as far as the SDK knows."""
    from sagemaker.core import image_uris

    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    known = image_uris.config_for_framework(_FRAMEWORK)["training"]["versions"]
    fitting = [version for version, of in known.items() if python in of.get("py_versions", ())]
    if not fitting:
        raise AccountError(
            f"AWS has no training image with Python {python[2]}.{python[3:]} that the SDK knows",
            "build one from what `harness dockerfile` prints, and name it in sagemaker_image",
        )
    return str(
        image_uris.retrieve(
            _FRAMEWORK,
            region=region,
            version=max(fitting, key=lambda version: [int(part) for part in version.split(".")]),
            py_version=python,
            instance_type=instance,
            image_scope="training",
        )
    )


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep what the SDK logs and warns of out of pytest's output."""
    logger = logging.getLogger("sagemaker")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _told(settings: SageMakerSettings) -> Iterator[None]:
    """Say in one sentence what AWS, or the way to it, refuses."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
        action = error.operation_name
        if code in (
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        ):
            raise AccountError(f"AWS refuses the credentials: {said}", LOGIN) from None
        remedy = "set sagemaker_bucket" if settings.bucket is None else "set sagemaker_role"
        raise AccountError(f"AWS refuses {action}: {said}", f"ask for that permission, or {remedy}") from None
    except BotoCoreError as error:
        raise AccountError(f"AWS cannot be used: {error}", LOGIN) from None
