"""A job's folder and an image in; the command and environment that run it as in a container out.

bubblewrap gives a job its folder as /opt/ml and a view of this machine in which nothing else can be
written; without it the toolkit is told another folder than /opt/ml, and nothing keeps a job from the rest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BUBBLEWRAP, FOLDER = "bubblewrap", "folder"
HOST = "algo-1"
_BASE = "/opt/ml"
_SYSTEM = "/usr/local/bin:/usr/bin:/bin"
_NAMESPACES = ("--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", HOST)


class NoProgramError(Exception):
    """An image has no `train`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, where, with which variables."""

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How jobs are kept apart from this machine and from each other."""

    kind: str
    """"bubblewrap" or "folder"."""
    hide: tuple[Path, ...]
    """Folders that look empty to a job; bubblewrap only."""

    @property
    def host(self) -> str:
        """What a job calls its machine; it has to resolve, or the toolkit waits for a quarter of an hour."""
        return HOST if self.kind == BUBBLEWRAP else "localhost"

    def command(
        self, job: Path, image: Path, variables: Mapping[str, str], *, network: bool = True
    ) -> Command:
        """Return what runs a job.

        job: its folder, with ml/, which is /opt/ml to it, tmp/ and home/; image: the folder with `train`;
        network: whether it may use one. Raises NoProgramError if the image has no `train`.
        """
        run = program(image)
        environment = {"PATH": search(image), "LANG": "C.UTF-8"}
        if self.kind == FOLDER:
            places = {"HOME": str(job / "home"), "TMPDIR": str(job / "tmp")}
            base = {"SAGEMAKER_BASE_DIR": str(job / "ml")}
            return Command(
                argv=[run], folder=job / "ml", environment=environment | places | base | dict(variables)
            )
        hosts = job / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {HOST}\n::1 localhost\n", encoding="ascii")
        wrap = [*_walls(), *self._rooms(job, image), "--ro-bind", str(hosts), "/etc/hosts"]
        wrap += [] if network else ["--unshare-net"]
        return Command(
            argv=[*wrap, "--chdir", _BASE, "--", run],
            folder=job,
            environment=environment | {"HOME": "/tmp/home"} | dict(variables),  # noqa: S108  # the job's own
        )

    def _rooms(self, job: Path, image: Path) -> Iterator[str]:
        """Yield what a job sees in other places than the machine has it, or does not see."""
        temporary = Path("/tmp")  # noqa: S108  # of the job
        (job / "tmp" / "home").mkdir(exist_ok=True)
        yield from ("--bind", str(job / "tmp"), str(temporary))
        yield from _kept(image, temporary)
        for folder in self.hide:
            if folder.is_dir():
                yield from ("--tmpfs", str(folder.resolve()))
                yield from _kept(image, folder.resolve())
        yield from ("--bind", str(job / "ml"), _BASE)


def search(image: Path) -> str:
    """Return the search path of an image."""
    return f"{image}:{_SYSTEM}"


def program(image: Path) -> str:
    """Return the path of an image's `train`; raise NoProgramError with the search path if there is none."""
    found = shutil.which("train", path=search(image))
    if found is None:
        raise NoProgramError(search(image))
    return found


def of(kind: str | None, hide: Iterable[Path]) -> Isolation:
    """Return an isolation; kind: "bubblewrap", "folder", or None: bubblewrap where it works.

    Raises ValueError for another word, OSError if bubblewrap is wanted and does not work here.
    """
    if kind not in (None, BUBBLEWRAP, FOLDER):
        raise ValueError(f"isolation {kind!r} is neither {BUBBLEWRAP} nor {FOLDER}")
    reason = None if kind == FOLDER else unavailable()
    if kind == BUBBLEWRAP and reason is not None:
        raise OSError(reason)
    chosen = kind or (FOLDER if reason else BUBBLEWRAP)
    return Isolation(kind=chosen, hide=tuple(hide))


def unavailable() -> str | None:
    """Return why bubblewrap cannot be used here; None: it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    probe = [*_walls(), "--", "/bin/sh", "-c", "exit 0"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"bubblewrap does not work here: {tried.stderr.strip()}"


def _walls() -> Iterator[str]:
    """Yield the beginning of every command: this machine, read-only, with a /opt of its own."""
    yield from (shutil.which("bwrap") or "bwrap", *_NAMESPACES)
    yield from ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/opt")
    for entry in sorted(Path("/opt").glob("*")):  # a Python may be among them
        if str(entry) != _BASE:
            yield from ("--ro-bind", str(entry), str(entry))
    yield from ("--dir", _BASE)


def _kept(image: Path, cover: Path) -> Iterator[str]:
    """Yield what shows again of a covered folder what the programs of an image need; it has our Python."""
    for folder in sorted({image.parent, image.parent.resolve(), Path(sys.prefix), Path(sys.base_prefix)}):
        if folder.is_relative_to(cover):
            yield from ("--ro-bind", str(folder), str(folder))


def default_image() -> Path:
    """Return the folder of programs that plays every image: that of the running Python."""
    return Path(sys.executable).parent
