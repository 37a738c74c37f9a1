"""The decorators a user writes: a function in, the same or its fixture with a record left on it, out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.declarations import (
    DatasetDeclaration,
    ExperimentDeclaration,
    FeaturesDeclaration,
    Function,
    MetricDeclaration,
    attach,
    grids,
    place,
    searches,
)
from harness.errors import DeclarationError
from harness.ranges import Range
from harness.space import Grid, Search

__tracebackhide__ = True


def _needs_function(value: object, decorator: str) -> Function:
    if not inspect.isfunction(value):
        raise DeclarationError(
            f"@{decorator} decorates a {type(value).__name__}, not a function",
            f"write @{decorator} on the line above a def",
        )
    return value


def dataset(
    target: str,
    *,
    contract: str | None = None,
    split: Sequence[float] = (0.7, 0.2, 0.1),
    seed: int = 0,
    stratify: bool | str | None = None,
    group: str | None = None,
    time: str | Sequence[str] | None = None,
    key: str | Sequence[str] | None = None,
    weight: str | None = None,
    drop: Sequence[str] = (),
    task: str | None = None,
    positive: Any = None,
    leaks: str = "warn",
) -> Callable[[Function], Any]:
    """Make the decorated loader a session fixture of type `harness.Dataset`.

    The loader returns a pandas `DataFrame`, one row an example, and may itself ask for fixtures.

    target: column to predict. Neither it nor `weight` nor `drop` is part of `.X`.
    contract: name of a Great Expectations suite, `expectations/NAME.json`; None: no contract.
    split: shares of train, validation and test rows; they sum to 1.
    seed: of the random and the grouped split, 0 … 2**32 - 1.
    stratify: None: by the target for classification; False: never; a column's name: by that column.
    group: column whose equal values never stand in two splits (scikit-learn's `GroupShuffleSplit`).
    time: column or columns in whose order the rows are cut; the test rows are the latest.
    key: column or columns that name a row for ever; the split is by their hash, so that no row
        changes split when data grows.
    weight: column of sample weights, used in fits and in every score.
    drop: columns that no model may see (leaks, ids).
    task: "binary", "multiclass" or "regression"; None: decided from the target.
    positive: label of the positive class (binary); None: the last in sorted order.
    leaks: what follows from rows that stand in two splits, columns that predict the target almost
        alone (ROC AUC or R² of 0.99), and groups or times that overlap (`harness.data.leaks`).
        "warn": the summary tells them; "error": the contract is broken; "off": nobody looks.

    Options that contradict each other, and rows that cannot be split so, fail the item
    `contract[NAME]` with a `DeclarationError` or `DataError` that names the remedy.
    """
    if inspect.isfunction(target):
        raise DeclarationError(
            f"@dataset was given the function {target.__name__!r} instead of a target",
            'write @dataset(target="COLUMN") on the line above its def',
        )

    def decorate(loader: Function) -> Any:
        function = _needs_function(loader, "dataset(target=…)")
        record = DatasetDeclaration(
            name=function.__name__,
            loader=function,
            target=target,
            contract=contract,
            split=split,
            seed=seed,
            stratify=stratify,
            group=group,
            time=time,
            key=key,
            weight=weight,
            drop=drop,
            task=task,
            positive=positive,
            leaks=leaks,
        )

        def prepared(_harness: Any) -> Any:
            return _harness.dataset(record)

        prepared.__name__ = function.__name__
        prepared.__doc__ = function.__doc__
        prepared.__module__ = function.__module__
        attach(prepared, DatasetDeclaration, record)
        return pytest.fixture(scope="session", name=function.__name__)(prepared)

    return decorate


def features(function: Function | None = None, /) -> Any:
    """Make a fixture of a function that returns an unfitted scikit-learn transformer.

    The function receives one data set or the result of other features by name, and hyperparameters
    if it names any. Its transformer is fitted on the training rows only (`fit_transform(X, y)`);
    the other rows go through `transform`. The fixture's value is a `harness.Dataset` of the
    transformed splits, fitted once per data and parameter values. While the function runs,
    `.validation` and `.test` raise `LeakageError`.
    """
    if function is None:  # @features()
        return features
    function = _needs_function(function, "features")
    record = FeaturesDeclaration(name=function.__name__, function=function)

    def transformed(_harness: Any, **inputs: Any) -> Any:
        return _harness.features(record, inputs)

    own = inspect.Parameter("_harness", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=inspect.Parameter.empty)
        for p in inspect.signature(function).parameters.values()
        if p.default is inspect.Parameter.empty
    ]
    transformed.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    transformed.__name__ = function.__name__
    transformed.__doc__ = function.__doc__
    transformed.__module__ = function.__module__
    attach(transformed, FeaturesDeclaration, record)
    return pytest.fixture(name=function.__name__)(transformed)


def grid(*misplaced: object, **values: Sequence[Any]) -> Callable[[Function], Function]:
    """Run the experiment once for every combination of the given lists.

    Combinations come in declared order, the last list fastest, with ids such as
    `max_depth:4-learning_rate:0.05` that `-k` understands. Several `@grid` multiply.
    An empty list, equal values, or a name that neither the experiment nor its features take is an
    error of that experiment at collection.
    """
    if misplaced:
        raise DeclarationError(
            f"@grid was given {misplaced[0]!r} without a name", "write @grid(name=[value, …])"
        )

    def decorate(function: Function) -> Function:
        function = _needs_function(function, "grid(…)")
        attach(function, Grid, (Grid(dict(values)), *grids(function)))
        return function

    return decorate


def search(
    *misplaced: object,
    trials: int | None = None,
    strategy: str = "tpe",
    prune: bool = False,
    **ranges: Range,
) -> Callable[[Function], Function]:
    """Run the experiment `trials` times, with values that a sampler chooses while the trials run.

    Trials have ids `trial:00`, `trial:01` and so on. Ranges are `integers(lo, hi)` (both ends included),
    `uniform(lo, hi)`, `loguniform(lo, hi)` and `choice(a, b, …)`; the parameters are fixtures, which
    features may ask for as well.

    trials: how many; at most the number of distinct points, where no range is a continuum.
    strategy: "tpe": Optuna's tree-structured Parzen estimator learns from the objectives of finished
        trials; the first trials, a third of all and 10 at most, are spread at random. "random": values
        depend on `experiment_seed`, the experiment's name and the trial's number alone. "tpe" repeats
        itself with one worker; with more it depends on which trials finish first. A later trial that
        runs alone, under `-k` say, has nothing to learn from, and other values than among all.
    prune: stop a trial that, after 20 boosting rounds or more, is behind the median of at least 5
        finished trials and at its pace would be behind it in the end (`harness.pruning`). It acts on
        XGBoost and LightGBM estimators given to `trial.fit`, and judges by the metric that they watch
        on the validation rows (`eval_metric`, `metric`), not by the objective. A pruned trial is
        never the best.

    Anything else, a name that neither the experiment nor its features take, and `@grid` or
    `parametrize` beside it are errors of that experiment at collection.
    """

    def decorate(function: Function) -> Function:
        function = _needs_function(function, "search(…)")
        if misplaced:
            raise DeclarationError(
                f"{place(function)}: @search was given {misplaced[0]!r} without a name",
                "write @search(trials=30, name=uniform(lo, hi), …)",
            )
        record = Search(
            trials=trials,  # type: ignore[arg-type]  # that it is missing is told with the experiment's name
            strategy=strategy,
            prune=prune,
            ranges=dict(ranges),
        )
        attach(function, Search, (record, *searches(function)))
        return function

    if len(misplaced) == 1 and inspect.isfunction(misplaced[0]):  # @search
        raise DeclarationError(
            f"{place(misplaced[0])}: @search was given no ranges",
            "write @search(trials=30, name=uniform(lo, hi), …)",
        )
    return decorate


def experiment(
    function: Function | None = None,
    /,
    *,
    maximize: str | None = None,
    minimize: str | None = None,
    repeats: int = 1,
    folds: int | None = None,
    registered_name: str | None = None,
) -> Any:
    """State what the best trial of an experiment is, and on how many divisions of the rows it is tried.

    maximize, minimize: name of a validation score, of a `@metric`, or of a value given to
        `trial.log`. Default: highest `roc_auc` (binary), highest `accuracy` (multiclass), lowest
        `rmse` (regression); none for an experiment without data.
    registered_name: of the model in MLflow whose alias `champion` the best trial competes for and, with
        `--promote`, gets. Experiments with one name have one champion. Default: PROJECT.EXPERIMENT.
    repeats: K fits a trial: on the declared split, then on K - 1 others of the same training and
        validation rows, divided in the manner of the data set (`harness.data.resplit`).
    folds: K fits a trial besides that on the declared split: K-fold cross-validation of the training
        and validation rows; of data with `time=` expanding windows.

    With either, trials are compared by the mean of the objective over the repeats (the declared split is
    the first of them) or the folds (it is none of them). The test rows stay what they are. The trial is
    one item still: when its function has returned, it is called again for each repeat, with new
    generators' seeds, with data sets and features made of the repeat's rows, with a `trial` and
    parameters of its own; other fixtures are not set up again. What fails in one repeat fails the trial.
    Of repeats the validation scores and the objective are kept: no model, predictions, curves or
    artifacts. `.best.model` is that of the declared split, and it alone meets the test rows.

    An unknown name, both at once, or a direction against the metric's own is an error of that
    experiment at collection; so are `repeats` with `folds` and numbers that are none.
    """

    def decorate(function: Function) -> Function:
        function = _needs_function(function, "experiment(…)")
        record = ExperimentDeclaration(
            maximize=maximize,
            minimize=minimize,
            repeats=repeats,
            folds=folds,
            registered_name=_named(registered_name, function),
        )
        attach(function, ExperimentDeclaration, record)
        return function

    return decorate if function is None else decorate(function)


def _named(name: str | None, function: Function) -> str | None:
    if name is None or (isinstance(name, str) and name.strip() and not set("/:") & set(name)):
        return name
    raise DeclarationError(
        f"{place(function)}: @experiment(registered_name={name!r}) is no name for a model in MLflow",
        "give a text without a slash and a colon, such as registered_name='income'",
    )


def metric(function: Function | None = None, /, *, greater_is_better: bool = True) -> Any:
    """Make the function a score: an attribute of every `Scores`, allowed as objective.

    The function takes any of `y`, `prediction`, `probability`, `X`, `weight` by name and returns a
    finite number. `y` and `prediction` are 0..K-1 in the order of `Dataset.classes`
    (classification) or values (regression); `probability` is (rows, K), None without probabilities;
    `X` the raw rows; `weight` one weight a row or None.
    """

    def decorate(function: Function) -> Function:
        function = _needs_function(function, "metric(…)")
        record = MetricDeclaration(
            name=function.__name__, function=function, greater_is_better=greater_is_better
        )
        attach(function, MetricDeclaration, record)
        return function

    return decorate if function is None else decorate(function)
