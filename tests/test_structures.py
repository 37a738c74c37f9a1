"""Shared training structures: every model is what a plain `fit` of the same estimator gives, bit for bit."""

import pickle
import re
import threading
import weakref
from contextlib import contextmanager

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import event, given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier
from toys import target, toy
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

from harness.models import lightgbm_dataset, xgboost_matrix
from harness.models.estimators import fit, outputs
from harness.models.structures import Structures

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the libraries', of odd parameters

ROWS = 600
ROUNDS = 6


def rows(kind: str, seed: int = 0) -> pd.DataFrame:
    """Numbers with many values, with few, and mostly zero; with holes or categories."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=ROWS),
            "b": rng.integers(0, 7, ROWS).astype("float32"),
            "c": rng.exponential(size=ROWS) * (rng.random(ROWS) < 0.05),
            "d": rng.normal(size=ROWS).round(1),
        }
    )
    if kind == "missing":
        frame = frame.mask(rng.random(frame.shape) < 0.2)
    if kind == "categories":
        frame["a"] += frame["b"]
        frame["b"] = pd.Categorical(rng.choice(["x", "y", "z", None], ROWS), categories=["z", "x", "y"])
        frame["e"] = pd.Categorical(rng.integers(0, 40, ROWS))
    return frame


def dataset(kind="numbers", task="binary", weighted=False, seed=0):
    """A data set with a digest that says what is in it."""
    frame = rows("missing" if kind == "sparse" else kind, seed)
    made = toy(frame, task, y=target(frame[["a"]], task), weighted=weighted)
    made.digest = f"{kind} {task} {weighted} {seed}"
    if kind != "sparse":
        return made
    return made.derive(
        name="sparse",
        columns=made.columns,
        step=None,
        train=csr_matrix(made.train.X.fillna(0).to_numpy()),
        validation=csr_matrix(made.validation.X.fillna(0).to_numpy()),
        transform=None,
        digest="sparse",
    )


KINDS = ["numbers", "missing", "categories", "sparse"]
TASKS = ["binary", "multiclass", "regression"]
XGBOOST = {"n_estimators": ROUNDS, "n_jobs": 1}
LIGHTGBM = {"n_estimators": ROUNDS, "n_jobs": 1, "verbose": -1, "min_child_samples": 5}


def booster(library, task, **options):
    if library == "xgboost":
        kind = XGBRegressor if task == "regression" else XGBClassifier
        return kind(**{**XGBOOST, "enable_categorical": True, **options})
    return (LGBMRegressor if task == "regression" else LGBMClassifier)(**{**LIGHTGBM, **options})


def by_hand(estimator, data, *, watching):
    """What a user would write without the harness."""
    train, validation = data.train, data.validation
    arguments = {"sample_weight": train.weight}
    weights = None if validation.weight is None else [validation.weight]
    if watching and isinstance(estimator, xgboost.XGBModel):
        pairs = [(validation.X, validation.y)]
        arguments |= {"eval_set": pairs, "sample_weight_eval_set": weights, "verbose": False}
    elif watching and "eval_X" in estimator.fit.__code__.co_varnames:
        arguments |= {"eval_X": (validation.X,), "eval_y": (validation.y,)}
        arguments |= {"eval_names": ["validation"], "eval_sample_weight": weights}
    elif watching:
        arguments |= {"eval_set": [(validation.X, validation.y)], "eval_names": ["validation"]}
        arguments |= {"eval_sample_weight": weights}
    return estimator.fit(train.X, train.y, **arguments)


def facts(estimator):
    """All that a fitted booster tells of itself."""
    if isinstance(estimator, xgboost.XGBModel):
        whole = bytes(estimator.get_booster().save_raw("ubj"))
        names = ["n_features_in_", "feature_names_in_", "classes_", "best_iteration", "best_score"]
        names += ["evals_result_", "n_classes_", "objective", "callbacks"]
    else:
        whole = estimator.booster_.model_to_string()
        names = ["n_features_", "n_features_in_", "feature_name_", "feature_names_in_", "classes_"]
        names += ["best_iteration_", "best_score_", "evals_result_", "n_classes_", "objective_", "n_iter_"]
    told = {name: str(getattr(estimator, name, "none")) for name in names}
    told["importances"] = str(getattr(estimator, "feature_importances_", "none"))
    return {**told, "parameters": str(estimator.get_params()), "own": sorted(vars(estimator)), "model": whole}


def assert_the_same(estimator, twin, data):
    assert facts(estimator) == facts(twin)
    for X in (data.train.X, data.validation.X):
        assert_array_equal(estimator.predict(X), twin.predict(X))
        if data.task != "regression":
            assert_array_equal(estimator.predict_proba(X), twin.predict_proba(X))


@contextmanager
def constructions(monkeypatch):
    """Note for every structure that is built whether it is of validation rows."""
    made = []
    plain, lazy = xgboost.QuantileDMatrix.__init__, lightgbm.Dataset._lazy_init

    def init(self, *args, ref=None, **given):
        made.append(ref is not None)
        plain(self, *args, ref=ref, **given)

    def lazy_init(self, *args, **given):
        made.append(given["reference"] is not None)
        return lazy(self, *args, **given)

    with monkeypatch.context() as patch:
        patch.setattr(xgboost.QuantileDMatrix, "__init__", init)
        patch.setattr(lightgbm.Dataset, "_lazy_init", lazy_init)
        yield made


def shared(estimator, data, structures):
    return fit(estimator, data, threads=1, structures=structures).estimator


# The law


@pytest.mark.parametrize(("weighted", "watching"), [(False, False), (True, True)], ids=["plain", "all"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_fits_that_differ_in_their_trees_share_one_structure(
    library, kind, task, weighted, watching, monkeypatch
):
    stopping = "early_stopping_rounds" if library == "xgboost" else "early_stopping_round"
    stop = {stopping: 2 if watching else None}
    bagging = {"subsample": 0.7} if library == "xgboost" else {"subsample": 0.7, "subsample_freq": 1}
    several = [
        {"max_depth": 2, "learning_rate": 0.3},
        {"max_depth": 5, "learning_rate": 0.9, "random_state": 3, **bagging},
        {"max_depth": 2, "learning_rate": 0.3, "colsample_bytree": 0.5, "reg_lambda": 3.0},
    ]
    structures = Structures()

    with constructions(monkeypatch) as made:
        fitted = [
            shared(booster(library, task, **options, **stop), dataset(kind, task, weighted), structures)
            for options in several
        ]

    assert made == ([False, True] if watching else [False])
    data = dataset(kind, task, weighted)
    for options, estimator in zip(several, fitted, strict=True):
        twin = by_hand(booster(library, task, **options, **stop), data, watching=watching)
        assert_the_same(estimator, twin, data)


def numbers(low, high):
    return st.integers(0, 20).map(lambda step: low + (high - low) * step / 20)


SETTINGS = {
    "xgboost": {
        "max_depth": st.integers(0, 7),
        "max_leaves": st.integers(0, 20),
        "grow_policy": st.sampled_from(["depthwise", "lossguide"]),
        "learning_rate": numbers(0.01, 1),
        "subsample": numbers(0.3, 1),
        "colsample_bytree": numbers(0.3, 1),
        "colsample_bynode": numbers(0.3, 1),
        "reg_lambda": numbers(0, 50),
        "reg_alpha": numbers(0, 5),
        "gamma": numbers(0, 2),
        "min_child_weight": numbers(0, 20),
        "random_state": st.integers(0, 2**31 - 1),
        "num_parallel_tree": st.integers(1, 3),
        "booster": st.sampled_from(["gbtree", "gbtree", "dart", "gblinear"]),
        "base_score": numbers(0.1, 0.9),
        "max_bin": st.sampled_from([2, 16, 256, 512]),
        "tree_method": st.sampled_from(["hist", "hist", "auto", None, "approx", "exact"]),
        "missing": st.sampled_from([np.nan, float("nan"), 0.0, 1.0]),
        "multi_strategy": st.sampled_from(["one_output_per_tree", "multi_output_tree"]),
        "rate_drop": numbers(0, 0.5),
        "eta": numbers(0.1, 0.5),
        "sparse_threshold": numbers(0, 1),
        "enable_categorical": st.sampled_from([True, True, False]),
        "early_stopping_rounds": st.integers(1, 4),
    },
    "lightgbm": {
        "num_leaves": st.integers(2, 40),
        "max_depth": st.integers(-1, 6),
        "learning_rate": numbers(0.01, 1),
        "subsample": numbers(0.3, 0.9),
        "subsample_freq": st.integers(1, 2),
        "colsample_bytree": numbers(0.3, 0.9),
        "feature_fraction_bynode": numbers(0.3, 1),
        "reg_lambda": numbers(0, 50),
        "reg_alpha": numbers(0, 5),
        "min_split_gain": numbers(0, 2),
        "min_child_weight": st.sampled_from([0.0, 1e-3, 5.0]),
        "min_child_samples": st.sampled_from([0, 1, 5, 20, 60]),
        "random_state": st.integers(0, 2**31 - 1),
        "bagging_seed": st.integers(0, 1000),
        "boosting_type": st.sampled_from(["gbdt", "gbdt", "dart", "rf"]),
        "data_sample_strategy": st.sampled_from(["bagging", "bagging", "goss"]),
        "extra_trees": st.booleans(),
        "path_smooth": st.sampled_from([0.0, 1.0]),
        "max_delta_step": numbers(0, 1),
        "max_bin": st.sampled_from([2, 16, 255, 400]),
        "max_bins": st.sampled_from([4, 64]),
        "min_data_in_bin": st.sampled_from([1, 3, 40]),
        "subsample_for_bin": st.sampled_from([50, 300, 200_000]),
        "feature_pre_filter": st.booleans(),
        "enable_bundle": st.booleans(),
        "is_enable_sparse": st.booleans(),
        "use_missing": st.booleans(),
        "zero_as_missing": st.booleans(),
        "linear_tree": st.booleans(),
        "early_stopping_round": st.integers(1, 4),
    },
}


@st.composite
def series(draw, library):
    """A data set, and several settings to be fitted one after the other."""
    task, kind = draw(st.sampled_from(TASKS)), draw(st.sampled_from(KINDS))
    data = dataset(kind, task, draw(st.booleans()))
    known = dict(SETTINGS[library])
    signs = st.lists(st.integers(0, 1), min_size=4, max_size=4)
    if kind in ("numbers", "missing"):
        known["monotone_constraints"] = signs if library == "lightgbm" else signs.map(tuple)
    if task == "binary":
        known["scale_pos_weight"] = numbers(0.3, 5)
    if task == "multiclass":
        known.pop("base_score", None)
    if task != "regression" and library == "lightgbm":
        known["class_weight"] = st.sampled_from(["balanced", {0: 1.0, 1: 3.0}, None])
    one = st.fixed_dictionaries({}, optional=known)
    # much in common, so that structures are met again
    common, several = draw(one), draw(st.lists(one, min_size=2, max_size=3))
    frequent = draw(st.sets(st.sampled_from(sorted(common)))) if common else ()
    return data, [{**options, **{name: common[name] for name in frequent}} for options in several]


def outcome(act, made):
    """What a fit gives, or how the library refuses settings that contradict each other."""
    try:
        return act(made), ""
    except Exception as error:
        return None, re.sub(r"\[[\d:]+\] ", "", f"{type(error).__name__}: {error}")[:150]


def check_series(library, data, several):
    structures = Structures(2)
    for options in [*several, several[0]]:
        watching = any(name.startswith("early_stopping") for name in options)

        def made(options=options):
            return booster(library, data.task, **options)

        ours, refused = outcome(lambda estimator: shared(estimator, data, structures), made())
        twin, refused_alone = outcome(
            lambda estimator, watching=watching: by_hand(estimator, data, watching=watching), made()
        )

        assert refused == refused_alone
        event("refused" if refused else "fitted")
        if twin is not None:
            assert_the_same(ours, twin, data)


@settings(max_examples=60, deadline=None)
@given(series("xgboost"))
def test_any_series_of_xgboost_fits_is_as_by_hand(drawn):
    check_series("xgboost", *drawn)


@settings(max_examples=60, deadline=None)
@given(series("lightgbm"))
def test_any_series_of_lightgbm_fits_is_as_by_hand(drawn):
    check_series("lightgbm", *drawn)


# What is frozen in a structure

FROZEN = [
    ("xgboost", {"max_bin": 8}),
    ("xgboost", {"missing": 0.0}),
    ("xgboost", {"enable_categorical": False}),
    ("xgboost", {"feature_types": ["float"] * 4}),
    ("lightgbm", {"max_bin": 8}),
    ("lightgbm", {"max_bins": 8}),
    ("lightgbm", {"min_child_samples": 50}),
    ("lightgbm", {"min_data_in_leaf": 1}),
    ("lightgbm", {"monotone_constraints": [0, 0, 1, 0]}),
    ("lightgbm", {"min_data_in_bin": 30}),
    ("lightgbm", {"subsample_for_bin": 100, "random_state": 1}),
    ("lightgbm", {"class_weight": "balanced"}),
    ("lightgbm", {"categorical_feature": [1]}),
    ("lightgbm", {"linear_tree": True}),
    ("lightgbm", {"zero_as_missing": True}),
    ("lightgbm", {"feature_pre_filter": False}),
    ("lightgbm", {"path_smooth": 1.0}),
    ("lightgbm", {"min_child_weight": 0.0}),
    ("lightgbm", {"unheard_of": 1}),
]


@pytest.mark.parametrize(("library", "other"), FROZEN, ids=[f"{lib}-{next(iter(o))}" for lib, o in FROZEN])
def test_fits_that_differ_in_what_is_frozen_have_structures_of_their_own(library, other, monkeypatch):
    data, structures = dataset(), Structures()
    several = [{}, other, {}, other]

    with constructions(monkeypatch) as made:
        fitted = [shared(booster(library, "binary", **options), data, structures) for options in several]

    assert made == [False, False]
    for options, estimator in zip(several, fitted, strict=True):
        assert_the_same(estimator, by_hand(booster(library, "binary", **options), data, watching=False), data)


def test_seeds_that_choose_the_rows_for_the_bins_are_frozen_others_are_not(monkeypatch):
    data, structures = dataset(), Structures()

    with constructions(monkeypatch) as made:
        for seed in 1, 2, 3:
            for sample in 200_000, 100:
                estimator = booster("lightgbm", "binary", random_state=seed, subsample_for_bin=sample)
                shared(estimator, data, structures)

    assert len(made) == 1 + 3


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_other_rows_other_weights_and_other_columns_have_structures_of_their_own(library, monkeypatch):
    structures = Structures()
    several = [dataset(), dataset(seed=1), dataset("missing"), dataset(weighted=True)]

    with constructions(monkeypatch) as made:
        fitted = [shared(booster(library, "binary"), data, structures) for data in several + several]

    assert len(made) == 4
    for data, estimator in zip(several + several, fitted, strict=True):
        assert_the_same(estimator, by_hand(booster(library, "binary"), data, watching=False), data)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_fit_that_watches_adds_the_validation_rows_to_what_is_there(library, monkeypatch):
    data, structures = dataset(), Structures()

    with constructions(monkeypatch) as made:
        for curves in False, True, True, False, True:
            done = fit(booster(library, "binary"), data, threads=1, structures=structures, curves=curves)
            assert [len(curve) for curve in done.curves.values()] == [ROUNDS] * curves

    assert made == [False, True]
    twin = fit(booster(library, "binary"), data, threads=1, curves=True)
    again = fit(booster(library, "binary"), data, threads=1, curves=True, structures=structures)
    assert again.curves == twin.curves


# What nothing is shared for


def squared(y, prediction):
    y -= 0.0  # may write into what it is given
    return prediction - y, np.ones_like(y)


def accuracy(y, prediction):
    return float(((prediction > 0.5) == y).mean())


class Own(XGBClassifier):
    """A class of the user's own may do anything with the matrix."""


class OwnLight(LGBMClassifier):
    """As above."""


ALONE = [
    XGBClassifier(**XGBOOST, objective=squared),
    XGBClassifier(**XGBOOST, eval_metric=accuracy),
    XGBClassifier(**XGBOOST, eval_metric=["logloss", accuracy]),
    XGBClassifier(**XGBOOST, tree_method="approx"),
    XGBClassifier(**XGBOOST, tree_method="exact"),
    XGBClassifier(**XGBOOST, booster="gblinear"),
    XGBClassifier(**XGBOOST, feature_weights=[1.0, 2.0, 1.0, 1.0], colsample_bynode=0.5),
    XGBClassifier(**XGBOOST, updater="grow_quantile_histmaker"),
    XGBClassifier(**XGBOOST, device="cuda"),
    Own(**XGBOOST),
    XGBRFClassifier(**XGBOOST),
    LGBMClassifier(**LIGHTGBM, objective=squared),
    LGBMClassifier(**LIGHTGBM, forcedsplits_filename=""),
    OwnLight(**LIGHTGBM),
]


@pytest.mark.parametrize("made", ALONE, ids=lambda made: f"{type(made).__name__}{ALONE.index(made)}")
def test_other_fits_are_left_alone(made):
    data, structures = dataset(), Structures()

    for _ in range(2):
        estimator = shared(clone(made), data, structures)

    assert len(structures) == 0
    assert_the_same(estimator, by_hand(clone(made), data, watching=False), data)


@pytest.mark.parametrize(
    ("library", "module", "version"),
    [("xgboost", xgboost, "2.1.4"), ("xgboost", xgboost, "3.30.0"), ("lightgbm", lightgbm, "4.70.0")],
)
def test_versions_that_were_not_tested_are_left_alone(library, module, version, monkeypatch):
    monkeypatch.setattr(module, "__version__", version)
    data, structures = dataset(), Structures()

    estimator = shared(booster(library, "binary"), data, structures)

    assert len(structures) == 0
    assert_the_same(estimator, by_hand(booster(library, "binary"), data, watching=False), data)


def test_the_installed_versions_are_tested_ones():
    assert xgboost.__version__.rpartition(".")[0] in xgboost_matrix.VERSIONS
    assert lightgbm.__version__.rpartition(".")[0] in lightgbm_dataset.VERSIONS


def test_a_call_for_a_matrix_that_is_not_as_it_was_is_left_alone(monkeypatch):
    plain = XGBClassifier._create_dmatrix
    monkeypatch.setattr(
        xgboost_matrix, "_PASSED", xgboost_matrix._PASSED - {"weight"}
    )  # as if there were a new argument
    data, structures = dataset(), Structures()

    shared(booster("xgboost", "binary", early_stopping_rounds=2), data, structures)

    assert len(structures) == 0
    assert XGBClassifier._create_dmatrix is plain


def test_a_call_for_a_dataset_that_is_not_as_it_was_is_left_alone(monkeypatch):
    monkeypatch.setattr(lightgbm_dataset, "_PASSED", lightgbm_dataset._PASSED | {"position"})
    structures = Structures()

    shared(booster("lightgbm", "binary", early_stopping_round=2), dataset(), structures)

    assert len(structures) == 0


@pytest.mark.parametrize(("device", "kept"), [("cpu", 1), ("gpu", 0)])
def test_only_data_sets_of_the_processor_are_shared(device, kept):
    data, structures = dataset(), Structures()
    estimator = booster("lightgbm", "binary")

    with lightgbm_dataset.shared(estimator, data.digest, len(data.train), structures):
        given = dict.fromkeys(lightgbm_dataset._PASSED) | {"params": {"device_type": device}}
        lightgbm.sklearn.Dataset(**given)

    assert len(structures) == kept


def test_an_estimator_with_a_matrix_of_its_own_keeps_it():
    estimator, data, structures = booster("xgboost", "binary"), dataset(), Structures()
    plain = estimator._create_dmatrix
    estimator._create_dmatrix = plain

    shared(estimator, data, structures)

    assert len(structures) == 0
    assert vars(estimator)["_create_dmatrix"] is plain


# The user's estimator stays an ordinary one


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_fitted_estimator_is_an_ordinary_one(library, task):
    data, other, structures = dataset(task=task), dataset(task=task, seed=1), Structures()
    shared(booster(library, task), data, structures)
    estimator = shared(booster(library, task), data, structures)
    twin = by_hand(booster(library, task), data, watching=False)

    for act in (
        lambda made: pickle.loads(pickle.dumps(made)),
        lambda made: by_hand(clone(made), data, watching=False),
        lambda made: made,
        lambda made: by_hand(made, other, watching=True),
        lambda made: (
            shared(made, data, structures) if made is estimator else by_hand(made, data, watching=False)
        ),
        lambda made: made.set_params(learning_rate=0.5).fit(other.train.X, other.train.y),
    ):
        assert_the_same(act(estimator), act(twin), data)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_fit_that_continues_another_by_hand_is_the_same(library):
    data, structures = dataset(), Structures()
    shared(booster(library, "binary"), data, structures)
    estimator = shared(booster(library, "binary"), data, structures)
    twin = by_hand(booster(library, "binary"), data, watching=False)

    for made in (estimator, twin):
        continued = {"xgb_model": made} if library == "xgboost" else {"init_model": made}
        made.fit(data.train.X, data.train.y, **continued)

    assert_the_same(estimator, twin, data)
    assert_the_same(
        shared(booster(library, "binary"), data, structures),
        by_hand(booster(library, "binary"), data, watching=False),
        data,
    )


class Ended(BaseException):
    """As pytest's outcomes, and Ctrl-C."""


@pytest.mark.parametrize("error", [Ended, KeyError])
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_fit_that_ends_early_leaves_nothing_behind(library, known, error, monkeypatch):
    data, structures = dataset(), Structures()
    if known:
        shared(booster(library, "binary"), data, structures)
    estimator = booster(library, "binary")

    def watch(curve, index, value, greater_is_better):
        if index == 2:
            raise error

    with pytest.raises(error):
        fit(estimator, data, threads=1, structures=structures, watch=watch)

    assert "_create_dmatrix" not in vars(estimator)
    assert lightgbm.sklearn.Dataset is lightgbm.Dataset
    with constructions(monkeypatch) as made:
        again = shared(estimator, data, structures)
    # an Exception may come from inside of the structure; LightGBM's is not known to be whole before the end
    whole = error is Ended and (known or library == "xgboost")
    assert made == ([] if whole else [False])
    assert_the_same(again, by_hand(booster(library, "binary"), data, watching=False), data)


def test_settings_that_lightgbm_refuses_leave_no_structure():
    structures = Structures()

    with pytest.raises(lightgbm.basic.LightGBMError):
        shared(booster("lightgbm", "binary", monotone_constraints=[1]), dataset(), structures)

    assert len(structures) == 0


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_fit_of_another_thread_meanwhile_is_left_alone(library, monkeypatch):
    data, other, structures = dataset(), dataset(seed=1), Structures()
    estimator, beside = booster(library, "binary"), booster(library, "binary")
    if library == "xgboost":
        block = xgboost_matrix.shared(estimator, data.digest, structures)
    else:
        block = lightgbm_dataset.shared(estimator, data.digest, 360, structures)

    with block:
        thread = threading.Thread(target=shared, args=(beside, other, structures))
        thread.start()
        thread.join()
        by_hand(estimator, data, watching=False)

    assert_the_same(beside, by_hand(booster(library, "binary"), other, watching=False), other)
    with constructions(monkeypatch) as made:
        again = shared(booster(library, "binary"), data, structures)
    assert made == []
    assert_the_same(again, by_hand(booster(library, "binary"), data, watching=False), data)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_fit_within_another_is_left_alone_or_has_its_own(library):
    data, structures = dataset(), Structures()
    others, within = [dataset(seed=1), dataset(seed=2)], []

    def watch(curve, index, value, greater_is_better):
        if index == 1:
            within.append(shared(booster(library, "binary"), others[len(within)], structures))

    done = [
        fit(booster(library, "binary"), data, threads=1, structures=structures, watch=watch) for _ in range(2)
    ]

    for estimator, other in zip(within, others, strict=True):
        assert_the_same(estimator, by_hand(booster(library, "binary"), other, watching=False), other)
    twin = by_hand(booster(library, "binary"), data, watching=True)
    for fitted in done:
        assert_the_same(fitted.estimator, twin, data)
    assert lightgbm.sklearn.Dataset is lightgbm.Dataset


def test_estimators_of_other_libraries_pass():
    data, structures = dataset(), Structures()

    done = fit(DecisionTreeClassifier(random_state=0), data, threads=1, structures=structures)

    twin = DecisionTreeClassifier(random_state=0).fit(data.train.X, data.train.y)
    assert_array_equal(
        outputs(done.estimator, data.validation.X, data).labels, twin.predict(data.validation.X)
    )
    assert len(structures) == 0


# The cache


def test_the_structures_used_last_are_kept():
    structures = Structures(2)

    structures.keep("a", 1)
    structures.keep("b", 2)
    assert structures.find("a") == 1
    structures.keep("c", 3)

    assert [structures.find(key) for key in "abc"] == [1, None, 3]
    assert len(structures) == 2


def test_more_are_kept_where_trials_are_repeated():
    structures = Structures(1)

    structures.widen(2)
    structures.widen(1)
    for key in "abc":
        structures.keep(key, key)

    assert [structures.find(key) for key in "abc"] == [None, "b", "c"]


def test_a_structure_can_be_let_go():
    structures = Structures()
    structures.keep("a", 1)

    structures.drop("a")
    structures.drop("a")

    assert structures.find("a") is None


def test_what_is_let_go_is_freed():
    data, structures = dataset(), Structures(1)
    shared(booster("xgboost", "binary", early_stopping_rounds=2), data, structures)
    shared(booster("lightgbm", "binary"), data, structures)
    (kept,) = structures._kept.values()
    gone = weakref.ref(kept[0])
    del kept

    shared(booster("xgboost", "binary"), data, structures)

    assert gone() is None
