"""What a trial gives to be kept in; files below its folder in the store out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import HarnessError, StoreError
from harness.models.predictions import Predictions
from harness.models.stages import Stages

__tracebackhide__ = True


class Artifacts:
    """The files of one trial.

    run: folder of the run; folder: of this trial, relative to the run's, None to keep no file.
    """

    def __init__(self, run: Path, folder: str | None) -> None:
        self._run = run
        self._folder = folder
        self.files: dict[str, str] = {}
        """By role ("model", "predictions", "stages", "artifact/NAME"); relative to the run's folder."""

    def figure(self, figure: Any, name: str) -> None:
        """Write a figure by whichever method its library has for that.

        Raises HarnessError if it has none, or if `name` is none.
        """
        if self._folder is None:
            return
        writers = ["savefig", "write_image", "save"]
        if name.endswith((".html", ".htm")):
            writers.insert(0, "write_html")
        for writer in writers:
            if callable(getattr(figure, writer, None)):
                with self._written(name) as path:
                    getattr(figure, writer)(str(path))
                return
        raise HarnessError(
            f"trial.log_figure was given a {type(figure).__name__}, which has none of {', '.join(writers)}",
            "give a matplotlib, plotly, Pillow or altair figure",
        )

    def copy(self, path: str | Path, name: str | None = None) -> None:
        """Copy a file, under its own name if there is no other; raise HarnessError if it is not there."""
        if self._folder is None:
            return
        source = Path(path)
        if not source.is_file():
            raise HarnessError(f"trial.log_artifact({str(path)!r}): there is no such file", "write it first")
        with self._written(source.name if name is None else name) as target:
            shutil.copyfile(source, target)

    def model(self, content: bytes, predictions: Predictions | None, stages: Stages | None = None) -> None:
        """Write a pickled model and what it said, and would have said earlier, of the validation rows.

        Raises StoreError if they cannot be written.
        """
        try:
            folder = self._made()
            folder.joinpath("model.pkl").write_bytes(content)
            self.files["model"] = f"{self._folder}/model.pkl"
            if predictions is not None:
                predictions.save(folder / "predictions.npz")
                self.files["predictions"] = f"{self._folder}/predictions.npz"
            if stages is not None:
                stages.save(folder / "stages.npz")
                self.files["stages"] = f"{self._folder}/stages.npz"
        except OSError as error:
            raise StoreError(
                f"the model of this trial cannot be stored: {error.strerror or error}",
                "free space, or name another folder with -o experiment_store=FOLDER",
            ) from None

    def _made(self) -> Path:
        folder = self._run / (self._folder or "")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        """Give the path to write an artifact to; it counts when it was written."""
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or {"\\", "\0"} & set(name):
            raise HarnessError(
                f"{name!r} is no name for an artifact", 'give a relative one, such as "roc.png"'
            )
        target = self._made() / "artifacts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        yield target
        self.files[f"artifact/{path}"] = f"{self._folder}/artifacts/{path}"
