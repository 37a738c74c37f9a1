"""The rows that the experiments share."""

from pathlib import Path

import pandas as pd

from harness import dataset


@dataset(target="label", split=(0.7, 0.2, 0.1), seed=0)
def rows():
    """Two classes, 30 numbers a row; made by `make_classification`."""
    return pd.read_parquet(Path(__file__).parent / "rows.parquet")
