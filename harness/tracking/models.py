"""A model's pickle and a few raw rows in, a folder that MLflow can load and serve out."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model as MlflowModel
from mlflow.models import ModelSignature, validate_schema
from mlflow.types.schema import AnyType, ColSpec, DataType, ParamSchema, ParamSpec, Schema

from harness.errors import TrackingError
from harness.models.columns import conform
from harness.tracking import serving
from harness.tracking.inputs import column_type

__tracebackhide__ = True

_EXAMPLE_ROWS = 5
_SPELT = {"sklearn": "scikit-learn"}
_ALWAYS = ("mlflow", "cloudpickle", "numpy", "pandas")


def save(folder: Path, payload: bytes, example: Path | None, header: MlflowModel) -> None:
    """Write the MLflow model of a pickled `harness.models.model.Model` into a folder that is not there yet.

    payload: of `harness.models.model.dumps`; example: JSON file of raw rows, orient="split".
    A model is worth more than its description: an example that MLflow cannot write is left out, and so
    is the signature if MLflow, holding the example against it, would refuse to predict.
    Raises TrackingError if the model cannot be unpickled or written here.
    """
    model, modules = unpickle(payload)
    try:
        described, rows = signature(model), None if example is None else _rows(example, model)
        if rows is not None and not _takes(described, rows):
            described, rows = None, None  # without a signature MLflow would try to learn one from rows
        write = partial(
            _write,
            folder=folder,
            payload=payload,
            header=header,
            needed=requirements(modules),
            described=described,
        )
        try:
            write(rows)
        except Exception:
            if rows is None:
                raise
            shutil.rmtree(folder, ignore_errors=True)
            write(None)
    except Exception as error:
        raise TrackingError(
            f"the best trial's model cannot be written as an MLflow model: {type(error).__name__}: {error}",
            "its trials are in MLflow; the model stays in the store",
        ) from error


def rehearse() -> None:
    """Save a model of nothing: MLflow's first one in a process takes a fifth of a second more than the next.

    MLflow lists every file of every installed distribution once, and imports what it needs.
    """
    with tempfile.TemporaryDirectory() as draft:
        _write(
            None,
            folder=Path(draft, "model"),
            payload=b"",
            header=MlflowModel(),
            needed=requirements(set()),
            described=ModelSignature(Schema([ColSpec(DataType.double, "x")]), Schema([ColSpec(AnyType())])),
        )


def _write(
    rows: pd.DataFrame | None,
    *,
    folder: Path,
    payload: bytes,
    header: MlflowModel,
    needed: list[str],
    described: ModelSignature | None,
) -> None:
    with _by_value(serving):
        mlflow.pyfunc.save_model(
            folder,
            python_model=serving.Served(payload),
            mlflow_model=deepcopy(header),  # MLflow writes into it, also before it fails
            signature=described,
            input_example=rows,
            pip_requirements=needed,
        )


def _rows(example: Path, model: Any) -> pd.DataFrame | None:
    """Return a few raw rows; None if what JSON made of them is none any more."""
    try:
        content = json.loads(example.read_text(encoding="utf-8"))
        rows = pd.DataFrame(content["data"], columns=content["columns"])
        return conform(rows, model.columns).head(_EXAMPLE_ROWS)
    except (TypeError, ValueError, LookupError):
        return None


def _takes(described: ModelSignature, rows: pd.DataFrame) -> bool:
    try:
        validate_schema(rows, described.inputs)
    except MlflowException:
        return False
    return True


def unpickle(payload: bytes) -> tuple[Any, set[str]]:
    """Return the model and the names of the modules that its pickle refers to."""
    reader = _Reader(io.BytesIO(payload))
    try:
        return reader.load(), reader.modules
    except Exception as error:  # the pickle runs code of the user and of any library
        raise TrackingError(
            f"the best trial's model cannot be unpickled here: {type(error).__name__}: {error}",
            "run `harness sync` in the environment that trained it",
        ) from error


class _Reader(pickle.Unpickler):
    """Unpickles, and notes every module that is looked up on the way."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        found = super().find_class(module, name)
        if name != "subimport":
            return found

        def subimport(imported: str) -> Any:  # how cloudpickle refers to a module as such
            self.modules.add(imported)
            return found(imported)

        return subimport


def requirements(modules: set[str]) -> list[str]:
    """Return the installed distributions of `modules`, and those every model needs, as `name==version`."""
    roots = {*_ALWAYS, *(module.partition(".")[0] for module in modules)}
    wanted = roots - sys.stdlib_module_names - {"harness"}  # what travels by value
    found = {root: _installed(_SPELT.get(root, root)) for root in wanted}
    if None in found.values():  # a fifth of a second: every file of every distribution is listed
        owners = packages_distributions()
        found |= {root: _installed(owners[root][0]) for root in wanted if not found[root] and root in owners}
    return sorted(line for line in found.values() if line)


def _installed(name: str) -> str | None:
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:  # the name of a module is not always that of its distribution
        return None


def signature(model: Any) -> ModelSignature:
    """Return MLflow's signature: raw columns in, labels or values out, `method` as a parameter.

    Whole numbers and booleans are `any`: pandas turns a column of them into floats or objects as soon
    as one value is missing, which MLflow's `long` refuses, and its server reads a missing boolean as
    False. The model casts and checks them itself.
    """
    inputs = [ColSpec(_type(column.dtype), name) for name, column in model.columns.items()]
    labels = pd.Index(model.classes) if model.classes else pd.Index([0.0])
    return ModelSignature(
        inputs=Schema(inputs),
        outputs=Schema([ColSpec(column_type(str(labels.dtype)) or AnyType())]),
        params=ParamSchema([ParamSpec("method", DataType.string, "predict")]),
    )


def _type(dtype: str) -> Any:
    name = column_type(dtype)
    return AnyType() if name in {None, "long", "boolean"} or dtype == "category" else name


@contextmanager
def _by_value(module: Any) -> Iterator[None]:
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
