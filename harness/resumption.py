"""The trials of a run in; which of them an earlier run's results stand for, and why the others run, out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from harness.collection import INDEX, experiment_name, requested, searched
from harness.earlier import Earlier, Miss, Wanted
from harness.fingerprint import DATA, PARAMETERS, THREADS, Fingerprints, of_parameters
from harness.imports import installed
from harness.results import TrialRecord
from harness.reuse import Candidate, leader, reuse
from harness.run import Run

__tracebackhide__ = True


class Resumption:
    """Fingerprints of a run's trials, and what they find in the store."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._run = run
        self._own = _own_modules(config)
        self._fingerprints = Fingerprints(
            run.settings.root, seed=run.settings.seed, threads=run.stage.threads
        )
        # Read before anything runs: who edits a file meanwhile gets the fingerprint of what ran.
        self._shared = {name: self._parts(items[0]) for name, items in run.experiments.items()}
        self.reused: dict[str, TrialRecord] = {}
        """Records of this run that earlier ones stand for, by node id."""
        self.reasons: dict[str, str] = {}
        """Why each of the other trials runs, by node id; empty unless `look` was called."""

    def fingerprint(self, item: pytest.Item) -> dict[str, str]:
        """Return the fingerprint of a trial whose data sets are prepared."""
        prepared = self._run.materials.prepared
        names = [name for name in self._run.stage.datasets_of(item) if name in prepared]
        return {
            **self._shared[experiment_name(item)],
            **{DATA + name: prepared[name].digest for name in names},
            PARAMETERS: of_parameters(self._run.params.get(item.nodeid, {})),
        }

    def _parts(self, item: pytest.Item) -> Mapping[str, str]:
        """Return what all trials of an experiment share, but for the data."""
        classes = [node.name for node in item.iter_parents() if isinstance(node, pytest.Class)]
        return self._fingerprints.shared(
            item.path,
            [*classes, experiment_name(item)],
            function=getattr(item, "function", None),
            conftests=[file for file in self._own if _applies(file, item.path)],
            requested=requested(item),
            data={},
        )

    def look(self, items: Iterable[pytest.Item]) -> None:
        """Take from the store what it has for trials that are about to start.

        Raises StoreError if the files of one cannot be taken over.
        """
        unasked = [] if self._run.settings.threads else [THREADS]
        wanted = [
            Wanted(
                node_id=item.nodeid,
                index=item.stash[INDEX],
                folder=self._run.stage.folder_of(item),
                fingerprint=self.fingerprint(item),
                open=[*([PARAMETERS] if searched(item) else []), *unasked],
            )
            for item in items
        ]
        known = {item.nodeid: item for item in items}
        candidates: dict[str, list[Candidate]] = {}
        for node_id, found in Earlier(self._run.store, self._run.folder.run.id).find(wanted).items():
            if isinstance(found, Miss):
                self.reasons[node_id] = found.reason
            elif _lost(known[node_id], found.record):
                self.reasons[node_id] = "its values cannot be read back"
            else:
                candidates.setdefault(experiment_name(known[node_id]), []).append(found)
        for several in candidates.values():
            self._take(several)

    def _take(self, known: Sequence[Candidate]) -> None:
        """Take over what may be of the candidates of one experiment."""
        first = leader(known)
        ahead = [candidate.record for candidate in known if candidate.node_id == first]
        others = [candidate for candidate in known if candidate.node_id != first]
        made = reuse(others, self._run.folder, ahead)
        self.reused |= made
        for candidate in known:
            if candidate.node_id not in made:
                self.reasons[candidate.node_id] = "its model is no longer in the store"


def _lost(item: pytest.Item, record: TrialRecord) -> bool:
    """Return whether the values that a search chose for a trial are of a kind that no record keeps."""
    search = searched(item)
    return search is not None and search.plain(record.params) is None


def _own_modules(config: pytest.Config) -> Sequence[Path]:
    """Return the files of the project's conftests and plugins."""
    loaded = (plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, ModuleType))
    files = (Path(module.__file__) for module in loaded if module.__file__)
    return sorted(file for file in files if file.suffix == ".py" and not installed(file))


def _applies(file: Path, path: Path) -> bool:
    return file.name != "conftest.py" or path.is_relative_to(file.parent)
