"""`@features` as fixtures: fitted once on the training rows, and told once when they fail."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import records, trials
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler, TargetEncoder
from toys import TASKS, numeric, target

from harness.data.dataset import Dataset, Seal, Split
from harness.declarations import FeaturesDeclaration
from harness.materials import Materials
from harness.store import Store

COUNTED = """
import collections
import json
import os
import pathlib
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

CALLS = pathlib.Path("calls.txt")

class Counted(StandardScaler):
    def fit(self, X, y=None, sample_weight=None):
        with CALLS.open("a") as file:
            file.write(f"fit {self.with_mean} {len(X)}\\n")
        return super().fit(X, y)

def called(name):
    with CALLS.open("a") as file:
        file.write(name + "\\n")

@features
def scaled(shops):
    called("scaled")
    return Counted()

@features
def centred(shops, with_mean):
    called(f"centred {with_mean}")
    return Counted(with_mean=with_mean)

@features
def squared(scaled):
    called("squared")
    assert scaled.steps[0].transformer.mean_ is not None
    return PolynomialFeatures(2)
"""

EXPERIMENTS = """
from sklearn.linear_model import LogisticRegression
from harness import grid

@grid(C=[0.1, 1.0, 10.0])
def experiment_plain(scaled, trial, C):
    trial.fit(LogisticRegression(C=C), scaled)

@grid(with_mean=[True, False], C=[0.1, 1.0])
def experiment_centred(centred, trial, C):
    assert trial.params.keys() == {"with_mean", "C"}
    trial.fit(LogisticRegression(C=C), centred)
    trial.log(mean=abs(centred.train.X.to_numpy().mean(axis=0)).max())

@grid(C=[0.1, 1.0])
def experiment_squared(squared, scaled, shops, trial, C):
    trial.fit(LogisticRegression(C=C), squared)
    assert list(scaled.train.X.columns) == list(shops.train.X.columns)
    trial.log(columns=squared.train.X.shape[1])

def gate_squared(experiment_squared, shops):
    best = experiment_squared.best
    assert [type(step.transformer).__name__ for step in best.model.steps] == ["Counted", "PolynomialFeatures"]
    labels = [shops.classes[code] for code in shops.test.y]
    assert (best.predict(shops.test.X) == labels).mean() == best.test.accuracy
"""


@pytest.fixture
def alone(project):
    """The mini-project without experiments and features."""
    (project.path / "experiments/experiment_shops.py").unlink()
    conftest = (project.path / "conftest.py").read_text().partition("@features")[0]
    return project.write({"conftest.py": conftest})


def with_features(project, text):
    with (project.path / "conftest.py").open("a") as file:
        file.write(text)
    return project


def test_features_are_fitted_once_per_data_and_parameter_values(alone):
    with_features(alone, COUNTED).write({"experiments/experiment_f.py": EXPERIMENTS})

    alone.run("experiments").assert_outcomes(passed=11)

    calls = (alone.path / "calls.txt").read_text().splitlines()
    fits = ["fit True 210", "fit True 210", "fit False 210"]
    assert sorted(calls) == sorted(["scaled", "squared", "centred True", "centred False", *fits])
    means = {
        trial.params["with_mean"]: trial.logged["mean"] for trial in trials(alone.path, "experiment_centred")
    }
    assert means[True] < 1e-12 < means[False]
    assert {trial.logged["columns"] for trial in trials(alone.path, "experiment_squared")} == {6}


def test_features_of_one_name_in_two_files_are_two_features(alone):
    for name, scaler in (("a", "StandardScaler"), ("b", "MinMaxScaler")):
        alone.write(
            {
                f"experiments/experiment_{name}.py": f"""
                from sklearn.linear_model import LogisticRegression
                from sklearn.preprocessing import {scaler}
                from harness import features

                @features
                def own(shops):
                    return {scaler}()

                def experiment_{name}(own, trial):
                    trial.log(low=own.train.X.to_numpy().min())
                    trial.fit(LogisticRegression(), own)
                    assert type(own.steps[0].transformer) is {scaler}
                """
            }
        )

    alone.run("experiments").assert_outcomes(passed=3)

    [a], [b] = trials(alone.path, "experiment_a"), trials(alone.path, "experiment_b")
    assert a.logged["low"] < -1
    assert b.logged["low"] == 0


def test_parameters_whose_texts_look_alike_are_different_parameters(alone):
    with_features(
        alone,
        "from sklearn.preprocessing import FunctionTransformer\n"
        "@features\ndef shifted(shops, shift):\n    return FunctionTransformer(lambda X: X + shift[1500])\n",
    ).write(
        {
            "experiments/experiment_s.py": """
                import numpy as np
                import pytest
                from sklearn.linear_model import LogisticRegression

                ZEROS = np.zeros(3000)
                ONE = ZEROS.copy()
                ONE[1500] = 7

                @pytest.mark.parametrize("shift", [ZEROS, ONE], ids=["zeros", "one"])
                def experiment_shift(shifted, shops, trial, shift):
                    trial.log(shift=(shifted.train.X - shops.train.X).to_numpy().max())
                    trial.fit(LogisticRegression(), shifted)
                """
        }
    )

    alone.run("experiments").assert_outcomes(passed=3)

    assert [trial.logged["shift"] for trial in trials(alone.path, "experiment_shift")] == [
        0,
        pytest.approx(7),
    ]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_features_cannot_ask_for_rows_they_must_not_see(alone, split):
    with_features(
        alone,
        "@features\ndef peeping(shops):\n    return StandardScaler(with_mean=len(shops.SPLIT) > 0)\n".replace(
            "SPLIT", split
        ),
    ).write(
        {
            "experiments/experiment_p.py": """
                def experiment_peep(peeping, trial):
                    raise SystemError("must not run")
                """
        }
    )

    result = alone.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            f">       return StandardScaler(with_mean=len(shops.{split}) > 0)",
            f"E       harness.errors.LeakageError: features 'peeping' asked for the {split} rows of 'shops'; "
            "features learn from training rows only: use shops.train; the fitted transformer is applied to *",
        ]
    )
    assert "harness/" not in result.stdout.str()
    assert "must not run" not in result.stdout.str()


FAULTS = {
    "nothing": (
        "return None",
        "returned None, not a transformer; return an unfitted scikit-learn transformer",
    ),
    "number": ("return 3", "returned a int, not a transformer; return an unfitted"),
    "kind": (
        "return StandardScaler",
        "returned the class StandardScaler; return an instance, StandardScaler()",
    ),
    "frame": ("return shops.train.X", "returned a DataFrame, not a transformer"),
    "predictor": (
        "return LogisticRegression()",
        "an estimator that predicts and has no transform; give it to trial.fit",
    ),
    "sampler": (
        "return Sampler()",
        "returned a Sampler, which changes the rows; resample inside the estimator",
    ),
    "shorter": ("return FunctionTransformer(lambda X: X.dropna().head(9))", "rows are chosen in the loader"),
    "generator": ("yield StandardScaler()", "returned a generator, not a transformer"),
    "raises": ("raise ValueError('no such column')", "ValueError: no such column"),
    "unpicklable": ("return Locked()", "features 'unpicklable' (conftest.py:"),
    "unfit": (
        "return FunctionTransformer(lambda X: X.no_such)",
        "'DataFrame' object has no attribute 'no_such'",
    ),
}


def test_every_feature_function_that_cannot_work_is_told_once(alone):
    text = """
import threading
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

class Sampler(BaseEstimator):
    def fit_resample(self, X, y): return X, y
    def fit(self, X, y): return self

class Locked(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.lock_ = threading.Lock()
        return self
    def transform(self, X): return X

@features
def chained(raises): return StandardScaler()
"""
    code = "from harness import grid\n"
    for name, (body, _) in FAULTS.items():
        text += f"@features\ndef {name}(shops):\n    {body}\n"
        code += "@grid(n=[1, 2, 3])\n"
        code += f"def experiment_{name}({name}, trial, n): raise SystemError('must not run')\n"
        code += f"def gate_{name}(experiment_{name}): assert experiment_{name}.best.test.accuracy > 0\n"
    code += "def experiment_chained(chained, trial): raise SystemError('must not run')\n"
    with_features(alone, text).write({"experiments/experiment_f.py": code})

    result = alone.run("experiments", "-rs")

    n = len(FAULTS)
    result.assert_outcomes(passed=1, errors=n, skipped=2 * n + 1, failed=n)
    output = result.stdout.str()
    assert "must not run" not in output
    assert "harness/" not in output
    errors = output.partition("= ERRORS =")[2].partition("= FAILURES =")[0]
    for name, (_, expected) in FAULTS.items():
        assert errors.count(f"at setup of experiment_{name}[n:1]") == 1, name
        block = errors.partition(f"at setup of experiment_{name}[n:1] _")[2].partition("\n____")[0]
        assert expected in block, (name, block)
    skips = {t.experiment: t.message for t in records(alone.path).trials if t.outcome == "skipped"}
    assert skips["experiment_raises"] == "features raises failed: ValueError: no such column"
    assert skips["experiment_chained"] == "features raises failed: ValueError: no such column"
    assert skips["experiment_nothing"].startswith(
        "features nothing failed: FeaturesError: features 'nothing' (conf"
    )
    failures = " ".join(output.partition("= FAILURES =")[2].split())
    assert "experiment_raises has no finished trial (1 raised, 2 skipped); mend its trials first" in failures


def test_a_feature_function_needs_exactly_one_data_set(alone):
    with_features(
        alone,
        """
@dataset(target="sold")
def streets(): return shops_frame()

def shops_frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=90), "sold": ["x", "y", "z"] * 30})

@features
def both(shops, streets): return StandardScaler()

@features
def neither(): return StandardScaler()
""",
    ).write(
        {
            "experiments/experiment_f.py": """
                def experiment_both(both, trial): pass
                def experiment_neither(neither, trial): pass
                """
        }
    )

    result = alone.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "E   *FeaturesError: features 'both' take 2 data sets (shops, streets), conftest.py:*; name exa*",
            "E   *FeaturesError: features 'neither' take 0 data sets (none), conftest.py:*; name exactly on*",
        ]
    )
    assert "harness/" not in result.stdout.str()


def test_a_lambda_travels_with_the_model(alone):
    with_features(
        alone,
        "from sklearn.preprocessing import FunctionTransformer\n"
        "LIMIT = 1.0\n"
        "@features\ndef clipped(shops):\n    return FunctionTransformer(lambda X: X.clip(-LIMIT, LIMIT))\n",
    ).write(
        {
            "experiments/experiment_l.py": """
                import pandas as pd
                from sklearn.linear_model import LogisticRegression

                def experiment_clipped(clipped, trial):
                    assert clipped.train.X.to_numpy().max() == 1
                    trial.fit(LogisticRegression(), clipped)

                def gate_clipped(experiment_clipped):
                    far = pd.DataFrame({"size": [9.0], "street": [9.0]})
                    near = pd.DataFrame({"size": [1.0], "street": [1.0]})
                    model = experiment_clipped.best.model
                    assert (model.predict_proba(far) == model.predict_proba(near)).all()
                """
        }
    )

    alone.run("experiments").assert_outcomes(passed=3)


# train rows only, as a law


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        QuantileTransformer(n_quantiles=20, subsample=60),
        TargetEncoder(),
        make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=10)),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([0.0, 1.0, 1e6, np.nan]))
def test_other_rows_never_change_what_features_learn(tmp_path_factory, transformer, seed, scale):
    X, y = numeric(120), target(numeric(120), "multiclass")
    order = np.random.default_rng(5).permutation(120)
    positions = {"train": order[:70], "validation": order[70:100], "test": order[100:]}
    noisy = X.copy()
    rng = np.random.default_rng(seed)
    others = np.concatenate([positions["validation"], positions["test"]])
    noisy.iloc[others] = rng.normal(size=(50, 3)) * scale
    codes = y.copy()
    codes.iloc[others] = rng.integers(0, 3, 50)

    learnt = []
    for frame, labels in ((X, y), (noisy, codes)):
        seal = Seal()
        features = _fitted(tmp_path_factory, transformer, frame, labels, positions, seal)
        learnt.append(np.asarray(features.train.X))
        assert not seal.openings

    np.testing.assert_array_equal(*learnt)


def _fitted(tmp_path_factory, transformer, X, y, positions, seal):
    def load(split):
        at = positions[split]
        return Split(X.iloc[at], y.iloc[at], None, at)

    data = Dataset(
        name="toy",
        task="multiclass",
        classes=TASKS["multiclass"],
        columns=list(X.columns),
        digest="0" * 32,
        sizes={name: len(at) for name, at in positions.items()},
        seal=seal,
        load=load,
        rows=lambda split: X.iloc[positions[split]],
    )
    folder = tmp_path_factory.getbasetemp()
    materials = Materials(
        store=Store(folder), project=Path(folder), expectations=Path(folder), examples=0, base_seed=0
    )
    function = types.FunctionType(
        (lambda data: transformer).__code__, globals(), closure=(types.CellType(transformer),)
    )
    return materials.features(FeaturesDeclaration(name="f", function=function), {"data": data})
