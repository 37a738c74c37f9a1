"""What a transformer gave as files: a DataFrame or csr_matrix in, and back without a copy, bit for bit."""

from __future__ import annotations

import mmap
import os
import pickle
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_NUMBERS = "biufc"
_PARTS = ("data", "indices", "indptr")


class Mapped:
    """A csr_matrix in files: every `copy` maps them anew, and privately.

    Whoever writes into a copy changes pages of his own, and only these are ever copied. The files
    may be deleted meanwhile.
    """

    def __init__(self, folder: Path, name: str, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._parts = [_File(_array(folder, f"{name}.{part}")) for part in _PARTS]

    def copy(self) -> csr_matrix:
        """Return the matrix, to be changed as its owner likes."""
        from scipy.sparse import csr_matrix

        data, indices, indptr = (part.private() for part in self._parts)
        matrix = csr_matrix(self.shape, dtype=data.dtype)
        matrix.data, matrix.indices, matrix.indptr = data, indices, indptr  # as they are: with their dtypes
        return matrix


class _File:
    """An array in a file that is kept open."""

    def __init__(self, path: Path) -> None:
        known: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        self._shape, self._dtype, self._offset = known.shape, known.dtype, known.offset
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._descriptor)

    def private(self) -> NDArray[Any]:
        pages = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_COPY)
        return np.ndarray(self._shape, self._dtype, buffer=pages, offset=self._offset)


def write(folder: Path, name: str, X: Any) -> None:
    """Write a DataFrame or csr_matrix as files of a folder that begin with `name`; its index is left out.

    Numbers of one dtype are one array, row after row. In other frames the columns of each dtype of
    NumPy's numbers are one array, column after column; columns of other dtypes are pickled.
    Raises OSError; pickling values of any class may raise anything.
    """
    if not isinstance(X, pd.DataFrame):
        from scipy.sparse import csr_matrix

        X = csr_matrix((X.data, X.indices, X.indptr), shape=X.shape)  # as a copy of it has its indices
        for part in _PARTS:
            np.save(_array(folder, f"{name}.{part}"), getattr(X, part), allow_pickle=False)
        _note(folder, name, {"shape": X.shape})
        return
    groups: dict[str, list[int]] = {}
    others: dict[int, pd.Series] = {}
    for i, dtype in enumerate(X.dtypes):
        if isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS:
            groups.setdefault(dtype.str, []).append(i)
        else:
            others[i] = pd.Series(X.iloc[:, i].array, dtype=dtype, copy=False)  # without what `attrs` holds
    whole = len(groups) == 1 and not others
    for n, places in enumerate(groups.values()):
        values = X.to_numpy() if whole else X.iloc[:, places].to_numpy().T
        np.save(_array(folder, f"{name}.{n}"), np.ascontiguousarray(values), allow_pickle=False)
    _note(
        folder,
        name,
        {"columns": X.columns, "groups": list(groups.values()), "others": others, "whole": whole},
    )


def read(folder: Path, name: str, index: pd.Index) -> pd.DataFrame | Mapped:
    """Return what `write` was given; a DataFrame has the index `index`, and its numbers are mapped read-only.

    Raises whatever damaged files, and the classes of pickled values, make NumPy and pickle raise.
    """
    note = pickle.loads((folder / f"{name}.pkl").read_bytes())
    if "shape" in note:
        return Mapped(folder, name, note["shape"])
    arrays = [
        np.asarray(np.load(_array(folder, f"{name}.{n}"), mmap_mode="r", allow_pickle=False))
        for n in range(len(note["groups"]))
    ]
    if note["whole"]:
        return pd.DataFrame(arrays[0], index=index, columns=note["columns"], copy=False)
    columns = {i: column.set_axis(index) for i, column in note["others"].items()}
    for places, values in zip(note["groups"], arrays, strict=True):
        for i, column in zip(places, values, strict=True):
            columns[i] = pd.Series(column, index=index, copy=False)
    frame = pd.DataFrame({i: columns[i] for i in range(len(columns))}, index=index, copy=False)
    return frame.set_axis(note["columns"], axis=1)


def _array(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _note(folder: Path, name: str, note: dict[str, Any]) -> None:
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(note))
