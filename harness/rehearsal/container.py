"""A training job's request in; the folder that its container sees, and what the job left there, out."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.rehearsal.objects import Objects, address

_FAST = 1
"""Level of compression: the files are on this machine in a moment again."""
_FAILURE = 1024
"""Characters of a failure file that are told."""


class Container:
    """The folder of one job: ml/ is its /opt/ml, tmp/ and home/ are its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ml = folder / "ml"

    def fill(self, request: Mapping[str, Any], objects: Objects, host: str) -> None:
        """Write configuration and input data of a job.

        Raises KeyError with the address of an input that is not there.
        """
        for name in (
            "ml/code",
            "ml/model",
            "ml/output/data",
            "ml/input/config",
            "ml/input/data",
            "tmp",
            "home",
        ):
            (self.folder / name).mkdir(parents=True)
        self._configure(request, host)
        for channel in request.get("InputDataConfig", ()):
            self._download(channel, objects)

    def _configure(self, request: Mapping[str, Any], host: str) -> None:
        machine = request["ResourceConfig"]["InstanceType"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": machine, "hosts": [host]}
        channels = {
            channel["ChannelName"]: {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for channel in request.get("InputDataConfig", ())
        }
        files: Mapping[str, Any] = {
            "hyperparameters": request.get("HyperParameters", {}),
            "inputdataconfig": channels,
            "resourceconfig": {
                "current_host": host,
                "current_instance_type": machine,
                "current_group_name": "homogeneousCluster",
                "hosts": [host],
                "instance_groups": [group],
                "network_interface_name": "eth0",
            },
            "trainingjobconfig": request,
        }
        for name, content in files.items():
            path = self._ml / "input" / "config" / f"{name}.json"
            path.write_text(json.dumps(content, default=str), encoding="utf-8")

    def _download(self, channel: Mapping[str, Any], objects: Objects) -> None:
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = address(uri)
        keys = objects.under(bucket, prefix)
        if not keys:
            raise KeyError(uri)
        folder = self._ml / "input" / "data" / channel["ChannelName"]
        folder.mkdir()
        for key in keys:
            path = folder / _inside(key, prefix)
            if not path.resolve().is_relative_to(folder.resolve()):
                raise KeyError(f"s3://{bucket}/{key} leads out of the channel's folder")
            if not key.endswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(objects.read(bucket, key))

    def failure(self) -> str:
        """Return what the job wrote of its failure, its first 1024 characters."""
        try:
            return (self._ml / "output" / "failure").read_text(encoding="utf-8", errors="replace")[:_FAILURE]
        except OSError:
            return ""

    def upload(self, request: Mapping[str, Any], objects: Objects) -> str:
        """Put the job's model, and its output where there is any; return the address of the model."""
        base = (
            f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
        )
        bucket, prefix = address(base)
        objects.write(bucket, f"{prefix}/model.tar.gz", _archive(self._ml / "model"))
        if any((self._ml / "output" / "data").iterdir()):
            objects.write(bucket, f"{prefix}/output.tar.gz", _archive(self._ml / "output" / "data"))
        return f"{base}/model.tar.gz"


def _inside(key: str, prefix: str) -> str:
    """Return where in the folder of a channel an object lies."""
    rest = key.removeprefix(prefix)
    if prefix.endswith("/") or rest.startswith("/"):
        return rest.lstrip("/")
    return key[prefix.rfind("/") + 1 :]  # the prefix is an object, or the beginning of several names


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=_FAST) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return buffer.getvalue()
