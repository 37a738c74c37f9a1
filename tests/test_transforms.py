import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier
from sklearn.manifold import TSNE
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC
from toys import numeric, people, target, toy
from xgboost import XGBClassifier

from harness.data.dataset import Dataset, Seal, Split
from harness.declarations import FeaturesDeclaration
from harness.errors import FeaturesError, SealedError
from harness.models.estimators import fit, outputs
from harness.models.model import Model
from harness.models.pickling import dumps, loads
from harness.models.transforms import derive, learn


def made(name: str = "made"):
    return FeaturesDeclaration(name=name, function=made)


@pytest.fixture
def apply(tmp_path):
    def apply(transformer, data: Dataset | None = None, name: str = "made") -> Dataset:
        raw = data or toy()
        return derive(raw, learn(made(name), raw, transformer, project=tmp_path))

    return apply


def encoder(sparse=True, **options):
    """Impute, scale and encode `people`."""
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot)
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "height"]),
        (text, ["city", "size"]),
        ("passthrough", ["member"]),
        **options,
    )


# What the splits look like


def test_training_rows_go_through_fit_transform_and_the_others_through_transform(apply):
    raw = toy(people()[["city", "size"]])
    twin = TargetEncoder(cv=StratifiedKFold(5))
    train = twin.fit_transform(raw.train.X, raw.train.y)

    data = apply(TargetEncoder(cv=StratifiedKFold(5)), raw)

    assert_array_equal(data.train.X, train)
    assert not np.allclose(data.train.X, twin.transform(raw.train.X))
    assert_array_equal(data.validation.X, twin.transform(raw.validation.X))


def test_a_transformer_without_fit_transform_is_fitted_and_applied(apply):
    class Centred:
        def fit(self, X, y):
            self.mean = X.mean()
            self.rows = len(y)
            return self

        def transform(self, X):
            return X - self.mean

    raw = toy(numeric())

    data = apply(Centred(), raw)

    assert_frame_equal(data.train.X, raw.train.X - raw.train.X.mean())
    assert_frame_equal(data.validation.X, raw.validation.X - raw.train.X.mean())


LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "every other row": lambda X: np.repeat(np.asarray(X), 2, axis=0)[::2],
    "frame": lambda X: X * 2,
    "frame of many arrays": lambda X: pd.concat([X["a"], X["b"], X["c"]], axis=1),
    "whole numbers": lambda X: (X * 10).astype("int32"),
    "booleans": lambda X: X > 0,
    "one column": lambda X: X[["a"]],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_of_one_dtype_are_one_array_row_after_row(apply, layout):
    seal = Seal()
    seal.opened_by = "gate"
    raw = toy(numeric(), seal=seal)

    data = apply(FunctionTransformer(LAYOUTS[layout]), raw)

    for split, before in ((data.train, raw.train), (data.validation, raw.validation), (data.test, raw.test)):
        array = np.asarray(split.X)
        assert array.flags.c_contiguous
        assert np.shares_memory(array, np.asarray(split.X))  # what estimators take is no copy
        assert_array_equal(array, LAYOUTS[layout](before.X))
        assert_array_equal(split.X.index, split.positions)
    other = Model.of(None, data).transform(raw.validation.X)
    assert np.asarray(other).strides == np.asarray(data.validation.X).strides


def test_columns_of_several_dtypes_stay_columns(apply):
    raw = toy(numeric())

    data = apply(FunctionTransformer(lambda X: X.assign(flag=X["a"] > 0)), raw)

    assert data.train.X.dtypes.astype(str).tolist() == ["float64"] * 3 + ["bool"]


def test_the_given_transformer_stays_unfitted(apply):
    scaler = StandardScaler()

    apply(scaler, toy(numeric()))

    assert not hasattr(scaler, "mean_")


def test_a_dense_array_becomes_a_frame_with_the_names_the_transformer_gives(apply):
    data = apply(encoder(sparse_threshold=0))

    assert data.columns[:3] == ["pipeline-1__age", "pipeline-1__height", "pipeline-2__city_Bonn"]
    for split in (data.train, data.validation):
        assert split.X.columns.tolist() == data.columns
        assert_array_equal(split.X.index, split.positions)
        assert split.X.index.equals(split.y.index)


def test_a_sparse_matrix_stays_sparse_and_its_names_are_the_columns(apply):
    dense = apply(encoder(sparse_threshold=0))
    sparse = apply(encoder(sparse_threshold=1))

    assert type(sparse.train.X) is csr_matrix
    assert sparse.columns == dense.columns
    assert_array_equal(sparse.validation.X.toarray(), dense.validation.X.astype(float))


def test_a_frame_stays_a_frame_with_its_dtypes(apply):
    data = apply(encoder(sparse=False).set_output(transform="pandas"))

    assert data.train.X.columns.tolist() == data.columns
    assert data.validation.X.dtypes["passthrough__member"] == "bool"


def test_columns_without_names_get_the_name_of_the_features(apply):
    data = apply(FunctionTransformer(lambda X: X.to_numpy()[:, :2]), toy(numeric()), name="cut")

    assert data.columns == ["cut0", "cut1"]
    assert data.train.X.columns.tolist() == ["cut0", "cut1"]


def test_names_that_are_not_unique_are_not_used(apply):
    union = make_union(StandardScaler(), StandardScaler(), verbose_feature_names_out=False)
    with pytest.raises(ValueError, match="not unique"):
        union.fit(numeric()).get_feature_names_out()

    data = apply(union, toy(numeric()), name="twice")

    assert data.columns == [f"twice{i}" for i in range(6)]


def test_python_objects_get_the_dtypes_of_their_values(apply):
    keep = make_column_transformer(
        (SimpleImputer(strategy="most_frequent"), ["city"]), remainder="passthrough"
    )

    data = apply(keep, toy(people()[["city", "age"]]))

    assert [str(dtype) for dtype in data.train.X.dtypes] == ["str", "int64"]
    assert data.validation.X.dtypes.equals(data.train.X.dtypes)


def test_categories_made_per_split_have_the_training_levels(apply):
    raw = toy(people()[["city"]])
    late = raw.validation.X["city"].dropna().index[0]
    spelt = people()[["city"]].astype(object)
    spelt.loc[late, "city"] = "Aix"  # a first level that training does not know

    data = apply(
        FunctionTransformer(lambda X: X.astype("category")),
        toy(spelt.astype("str"), y=target(people(), "binary")),
    )

    levels = data.train.X["city"].cat.categories
    assert "Aix" not in levels
    assert data.validation.X["city"].cat.categories.equals(levels)
    assert data.validation.X["city"].isna()[late]


def test_the_data_set_says_where_it_comes_from(apply):
    raw = toy(numeric())

    data = apply(PCA(2), apply(StandardScaler(), raw, name="scaled"), name="reduced")

    assert [step.name for step in data.steps] == ["scaled", "reduced"]
    assert data.columns == ["pca0", "pca1"]
    assert data.raw.train.X.equals(raw.train.X)
    assert data.train.y.equals(raw.train.y)


def test_digests_tell_what_was_fitted_on_what(apply):
    raw, other = toy(numeric()), toy(numeric(seed=9))

    digests = {
        "pca": apply(PCA(2, random_state=0), raw).digest,
        "more": apply(PCA(3, random_state=0), raw).digest,
        "other": apply(PCA(2, random_state=0), other).digest,
        "raw": raw.digest,
    }

    assert len(set(digests.values())) == 4
    assert apply(PCA(2, random_state=0), raw).digest == digests["pca"]


def test_test_rows_are_transformed_when_a_gate_opens_them_and_not_before(apply):
    seen = []

    def watch(X):
        seen.append(len(X))
        return X

    seal = Seal()
    raw = toy(numeric(), seal=seal)
    data = apply(FunctionTransformer(watch), apply(StandardScaler(), raw))
    assert seen == [144, 60]
    with pytest.raises(SealedError):
        _ = data.test

    seal.opened_by = "experiment.py::gate"
    test = data.test
    scaled = StandardScaler().fit(raw.train.X).transform(raw.test.X)

    assert seen == [144, 60, 36]
    assert_array_equal(test.X, scaled)
    assert_array_equal(test.X.index, test.positions)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), which=st.sampled_from(["validation", "test"]))
def test_other_rows_never_change_what_was_fitted(tmp_path, seed, which):
    X = numeric()
    X["city"] = people()["city"].fillna("none")
    seal = Seal()
    seal.opened_by = "gate"
    rows = getattr(toy(X, seal=seal), which).positions
    changed = X.copy()
    rng = np.random.default_rng(seed)
    changed.loc[rows, ["a", "b", "c"]] = rng.normal(0, 100, (len(rows), 3))
    changed.loc[rows, "city"] = [f"new {i}" for i in rng.integers(0, 9, len(rows))]
    transformer = make_column_transformer(
        (TargetEncoder(cv=StratifiedKFold(5)), ["city"]), (StandardScaler(), ["a", "b", "c"])
    )

    before, after = (
        learn(made(), toy(frame, y=target(X, "binary")), transformer, project=tmp_path)
        for frame in (X, changed)
    )

    assert_frame_equal(before.train, after.train)
    assert before.pickled == after.pickled


# What a model makes of raw rows


def shortened(X):
    return X.assign(city=X["city"].str[:2].fillna("?"), size=X["size"].astype("str").fillna("?"))


SCALES = make_pipeline(SimpleImputer(), StandardScaler())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    "transformers",
    [
        [encoder(sparse_threshold=0)],
        [encoder(sparse_threshold=1)],
        [encoder(sparse=False).set_output(transform="pandas")],
        [FunctionTransformer(lambda X: X[["age"]] / 10)],
        [FunctionTransformer(shortened), encoder()],
        [encoder(sparse_threshold=1), FunctionTransformer(lambda X: X * 2)],
        [encoder(sparse_threshold=1), FunctionTransformer(lambda X: X.toarray())],
        [encoder(sparse_threshold=0), PCA(3, random_state=0), StandardScaler()],
    ],
    ids=["dense", "sparse", "pandas", "function", "chained", "sparse chained", "sparse to dense", "three"],
)
def test_a_model_says_of_raw_rows_what_its_estimator_says_of_transformed_ones(
    apply, transformers, task, tmp_path
):
    raw = toy(task=task)
    data = raw
    for i, transformer in enumerate(transformers):
        data = apply(transformer, data, name=f"f{i}")
    estimator = LinearRegression() if task == "regression" else LogisticRegression(max_iter=500)
    done = fit(estimator, data, threads=1)
    expected = outputs(done.estimator, data.validation.X, data)

    for model in (Model.of(done.estimator, data), loads(dumps(Model.of(done.estimator, data), tmp_path))):
        said = model.outputs(raw.validation.X)
        assert_array_equal(said.labels, expected.labels)
        if task == "regression":
            assert_array_equal(model.predict(raw.validation.X), expected.labels)
        else:
            assert_array_equal(said.probability, expected.probability)
            assert_array_equal(model.predict(raw.validation.X), np.array(raw.classes)[expected.labels])


class LabelsOnly:
    def fit(self, X, y):
        self.limit = X.iloc[:, 0].median()

    def predict(self, X):
        return (X.iloc[:, 0] > self.limit).astype(int)


def named(value):
    return type(value).__name__


@pytest.mark.parametrize("estimator", [LinearSVC(), RidgeClassifier(), Perceptron(), LabelsOnly()], ids=named)
def test_models_that_give_labels_only(apply, estimator):
    raw = toy()
    data = apply(encoder(sparse_threshold=0), raw)
    fit(estimator, data, threads=1)
    expected = outputs(estimator, data.validation.X, data)

    said = Model.of(estimator, data).outputs(raw.validation.X)

    assert_array_equal(said.labels, expected.labels)
    assert said.probability is None
    if isinstance(estimator, LabelsOnly):
        assert said.ranking is None
    else:
        assert_array_equal(said.ranking, expected.ranking)


def test_native_categories_of_boosters(apply):
    raw = toy()
    data = apply(FunctionTransformer(lambda X: X.astype({"city": "category"})), raw)
    for estimator in (
        XGBClassifier(n_estimators=5, enable_categorical=True),
        HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"),
    ):
        done = fit(estimator, data, threads=1)
        expected = outputs(estimator, data.validation.X, data).probability
        model = Model.of(done.estimator, data)

        assert_array_equal(model.predict_proba(raw.validation.X), expected)
        one_by_one = [model.predict_proba(raw.validation.X.iloc[[i]])[0] for i in range(10)]
        assert_array_equal(one_by_one, expected[:10])


def test_names_that_a_booster_refuses(apply):
    raw = toy()
    data = apply(
        FunctionTransformer(lambda X: X[["age", "height"]].set_axis(["age[1]", "height<2"], axis=1)), raw
    )
    done = fit(XGBClassifier(n_estimators=5), data, threads=1)

    said = Model.of(done.estimator, data).predict_proba(raw.validation.X)

    assert_array_equal(said, outputs(done.estimator, data.validation.X, data).probability)
    assert data.columns == ["age[1]", "height<2"]


# What cannot be features


class Sampler(BaseEstimator):
    def fit(self, X, y): ...
    def fit_resample(self, X, y): ...
    def transform(self, X): ...


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (
            None,
            "features 'made' (test_transforms.py:PLACE) returned None, not a transformer; "
            "return an unfitted scikit-learn transformer (fit and transform)",
        ),
        (3, "returned a int, not a transformer; return an unfitted"),
        (TSNE(), "returned a TSNE, not a transformer; return an unfitted"),
        (StandardScaler, "returned the class StandardScaler; return an instance, StandardScaler()"),
        (
            Sampler(),
            "returned a Sampler, which changes the rows; resample inside the estimator instead, as in "
            "trial.fit(imblearn.pipeline.make_pipeline(Sampler(…), estimator), data)",
        ),
        (
            RandomForestClassifier(),
            "returned a RandomForestClassifier, an estimator that predicts and has no transform; "
            "give it to trial.fit",
        ),
        (make_pipeline(LogisticRegression()), "returned a Pipeline, an estimator that predicts and has no"),
        (StandardScaler(copy=threading.Lock()), "returned a StandardScaler, which cannot be copied: cannot"),
    ],
)
def test_what_is_no_transformer_is_refused(apply, transformer, message):
    with pytest.raises(FeaturesError) as raised:
        apply(transformer, toy(numeric()))

    assert message.replace("PLACE", str(made.__code__.co_firstlineno)) in str(raised.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda X: X.dropna(),
            "of features 'made' gave an array of shape (121, 5) for 144 rows; return a transf",
        ),
        (
            lambda X: X.sort_values("age"),
            "the FunctionTransformer of features 'made' gave the rows in another order",
        ),
        (lambda X: X if len(X) > 100 else X.head(1), "gave an array of shape (1, 5) for 60 rows"),
        (lambda X: X if len(X) > 100 else X.to_numpy()[:, :2], "gave 2 columns, and 5 for the training rows"),
        (
            lambda X: X.rename(columns={"age": f"age{len(X)}"}),
            "gave other columns than for the training rows",
        ),
    ],
)
def test_other_rows_or_columns_are_refused(apply, function, message):
    with pytest.raises(FeaturesError) as raised:
        apply(FunctionTransformer(function))

    assert message in str(raised.value)


def sorted_by_time():
    """Rows that were loaded in another order than that of time=: training positions are 0..k-1, shuffled."""
    data, order = toy(numeric()), np.random.default_rng(0).permutation(144)

    def load(split):
        found = getattr(data, split)
        if split != "train":
            return found
        X, y = found.X.set_axis(order, axis=0), found.y.set_axis(order)
        return Split(X, y, found.weight, order)

    return Dataset(
        name=data.name,
        task=data.task,
        classes=data.classes,
        columns=data.columns,
        digest=data.digest,
        sizes={"train": 144, "validation": 60, "test": 36},
        seal=Seal(),
        load=load,
        rows=data.rows,
    )


@pytest.mark.parametrize("function", [lambda X: X.sort_index(), lambda X: X.reset_index(drop=True)])
def test_rows_in_the_order_of_loading_are_never_taken_for_the_given_order(apply, function):
    with pytest.raises(FeaturesError) as raised:
        apply(FunctionTransformer(function), sorted_by_time())

    assert str(raised.value).startswith(
        "the FunctionTransformer of features 'made' gave the rows in another order, or a new index that "
        "looks like it (keep the index, or give an array); return a transformer that"
    )


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_a_kept_index_and_an_array_are_in_the_given_order(apply, output):
    raw = sorted_by_time()

    data = apply(StandardScaler().set_output(transform=output), raw)

    assert_array_equal(data.train.X, StandardScaler().fit_transform(raw.train.X))
    assert_array_equal(data.train.X.index, raw.train.positions)


class Logging(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.lock_ = threading.Lock()
        return self

    def transform(self, X):
        return X


def test_what_cannot_travel_with_a_model_is_named(apply):
    with pytest.raises(FeaturesError) as raised:
        apply(make_pipeline(Logging()))

    assert str(raised.value).startswith(
        f"features 'made' (test_transforms.py:{made.__code__.co_firstlineno}) cannot travel with a model: "
        ".transformer.steps[0][1].lock_ (a lock) cannot be pickled: "
    )
    assert "hold no open files, connections or locks" in str(raised.value)


def test_errors_of_the_transformer_go_through(apply):
    with pytest.raises(ValueError, match="could not convert string to float") as raised:
        apply(StandardScaler(), toy(people()[["city"]].fillna("x")))
    assert not isinstance(raised.value, FeaturesError)


def test_sample_weights_are_not_for_transformers(apply):
    raw = toy(numeric(), weighted=True)

    data = apply(StandardScaler(), raw)

    assert_array_equal(data.train.X, StandardScaler().fit_transform(raw.train.X))
    assert data.train.weight.equals(raw.train.weight)


def test_text_is_vectorised(apply):
    raw = toy(people()[["city"]].fillna("none"))

    data = apply(make_column_transformer((CountVectorizer(), "city")), raw)

    assert type(data.train.X) is csr_matrix
    assert "countvectorizer__rome" in data.columns


def test_an_unknown_level_is_handled_as_the_transformer_says(apply):
    data = apply(
        make_column_transformer(
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["city"]),
            ("drop", ["age"]),
        )
    )
    model = Model.of(fit(HistGradientBoostingClassifier(max_iter=2), data, threads=1).estimator, data)

    made = model.transform(people().assign(city="Paris"))

    assert set(made.iloc[:, 0]) == {-1}
