"""What must be installed in; the text of a Dockerfile, and of a requirements.txt, out."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from harness.backends.sagemaker.requirements import Requirements
from harness.backends.sagemaker.versions import public

TOOLKIT = {"sagemaker-training": "5.1.4"}
"""What makes an image run on SageMaker: the command `train`. The version that the rehearsal runs."""
_COMPILER = "gcc libc6-dev"
"""The toolkit comes as source, with a piece of C."""
_OPENMP = {"lightgbm", "xgboost"}
"""Whose wheels look for the system's libgomp."""

_TEXT = """\
# An image for pytest --backend=sagemaker, with Python {python} and the packages of this environment.
#
#   docker build --platform linux/amd64 --tag IMAGE .
#
# Push it to a repository of Amazon ECR, and name it there:
#
#   sagemaker_image = ACCOUNT.dkr.ecr.REGION.amazonaws.com/IMAGE:TAG
{left_out}
FROM python:{python}-slim

ENV PYTHONUNBUFFERED=1 \\
    PIP_DISABLE_PIP_VERSION_CHECK=1 \\
    PIP_NO_CACHE_DIR=1 \\
    PIP_ROOT_USER_ACTION=ignore

# The compiler is for the training toolkit, and goes when that is built.
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends {system} \\
    && pip install \\
        {pins} \\
    && apt-get purge --yes --auto-remove {compiler} \\
    && rm -rf /var/lib/apt/lists/*

# SageMaker runs the container with the argument "train": the toolkit's command.
RUN command -v train
"""


def dockerfile(requirements: Requirements, python: str | None = None) -> str:
    """Return a Dockerfile of an image that has the requirements and SageMaker's training toolkit.

    python: version of the image's Python, by default the one that runs.
    """
    system = ["libgomp1"] if _OPENMP & requirements.versions.keys() else []
    left_out = [
        "#",
        "# Left out, for no index has them; install them below, or keep their sources in the project:",
        *(f"#   {name}" for name in requirements.local),
    ]
    return _TEXT.format(
        python=(python or platform.python_version()).rstrip("+"),
        left_out="\n".join(left_out) + "\n" if requirements.local else "",
        system=" ".join([_COMPILER, *system]),
        pins=" \\\n        ".join(requirements_text({**TOOLKIT, **requirements.versions}).split()),
        compiler=_COMPILER,
    )


def requirements_text(versions: Mapping[str, str]) -> str:
    """Return a requirements.txt of exact versions; without names of builds, which the index does not have."""
    return "".join(f"{name}=={public(version)}\n" for name, version in sorted(versions.items()))
