"""The data sets and features that the experiments share."""

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness import dataset, features

DATA = Path(__file__).parent / "experiments" / "data"


@dataset(target="income", positive=">50K", contract="income", drop="fnlwgt", seed=42)
def income():
    """1994 US census: who earns more than 50K a year? `fnlwgt` weighs a row, it describes nobody."""
    return pd.read_parquet(DATA / "income.parquet")


@dataset(target="species", contract="penguins", seed=42)
def penguins():
    """Palmer penguins of three species."""
    return pd.read_parquet(DATA / "penguins.parquet")


@dataset(target="bikers", contract="bikeshare", time=("day", "hr"), drop=("casual", "registered"), seed=42)
def bikeshare():
    """Hourly bike rentals of 2011; the two dropped columns sum to the target."""
    return pd.read_parquet(DATA / "bikeshare.parquet")


def encoder(data):
    """Impute, scale and one-hot encode the columns of any data set, as they come."""
    numeric = data.train.X.select_dtypes("number").columns
    text = data.train.X.columns.difference(numeric)
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
            text,
        ),
    )


@features
def one_hot(income):
    """Impute, scale and one-hot encode; fitted on the training rows only."""
    return encoder(income)


@features
def penguin_features(penguins):
    """Impute, scale and one-hot encode."""
    return encoder(penguins)


@features
def hours(bikeshare):
    """Impute, scale and one-hot encode."""
    return encoder(bikeshare)
