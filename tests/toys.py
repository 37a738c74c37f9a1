"""Small data sets for the tests: frames in, a `Dataset` out, without a store."""

import numpy as np
import pandas as pd

from harness.data.dataset import Dataset, Seal, Split

TASKS = {"binary": ["no", "yes"], "multiclass": [10, 20, 30], "regression": None}


def people(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Numbers, text with missing values, categories and booleans."""
    rng = np.random.default_rng(seed)
    city = pd.Series(rng.choice(["Rome", "Oslo", "Bonn", "Graz"], n), dtype="str")
    height = rng.normal(1.7, 0.1, n)
    height[::11] = np.nan
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "height": height,
            "city": city.where(rng.random(n) > 0.1),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n), categories=["S", "M", "L"]),
            "member": rng.random(n) > 0.5,
        }
    )


def numeric(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Three columns of numbers."""
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 3)), columns=["a", "b", "c"])


def target(X: pd.DataFrame, task: str, seed: int = 1) -> pd.Series:
    """Codes or values that the first column explains in part."""
    signal = X.iloc[:, 0].rank(pct=True).fillna(0.5) + np.random.default_rng(seed).normal(0, 0.2, len(X))
    if task == "regression":
        return signal
    return pd.Series(pd.qcut(signal, len(TASKS[task]), labels=False).astype("int64"))


def toy(
    X: pd.DataFrame | None = None,
    task: str = "binary",
    *,
    y: pd.Series | None = None,
    weighted: bool = False,
    seal: Seal | None = None,
) -> Dataset:
    """A data set named "toy": shuffled rows, 60 / 25 / 15 %."""
    X = people() if X is None else X
    y = target(X, task) if y is None else y
    weight = pd.Series(np.random.default_rng(2).uniform(0, 2, len(X))) if weighted else None
    order = np.random.default_rng(3).permutation(len(X))
    cuts = [int(len(X) * 0.6), int(len(X) * 0.85)]
    positions = dict(zip(("train", "validation", "test"), np.split(order, cuts), strict=True))

    def load(split: str) -> Split:
        at = positions[split]
        return Split(X.iloc[at], y.iloc[at], None if weight is None else weight.iloc[at], at)

    return Dataset(
        name="toy",
        task=task,
        classes=TASKS[task],
        columns=list(X.columns),
        digest="0" * 32,
        sizes={name: len(at) for name, at in positions.items()},
        seal=seal or Seal(),
        load=load,
        rows=lambda split: X.iloc[positions[split]],
    )
