"""One tuning job has exactly one point for each trial, under names and texts that nothing can change."""

from __future__ import annotations

import itertools
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.sagemaker.layout import MOST_JOBS, MOST_VALUES, digits, layout, product

values = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none(), st.lists(st.integers())
)


def key(value):
    return json.dumps(value, sort_keys=True)


@st.composite
def grids(draw):
    names = draw(
        st.lists(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), min_size=1, max_size=3, unique=True)
    )
    lists = [draw(st.lists(values, min_size=1, max_size=6, unique_by=key)) for _ in names]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*lists)]


def points_of(made):
    """Every combination that SageMaker would try."""
    return set(itertools.product(*made.values.values()))


@given(grids())
def test_a_grid_has_one_point_for_each_trial_and_no_other(params):
    made = layout(params)

    assert made is not None
    assert points_of(made) == {tuple(labels) for labels in made.labels}
    assert len(made.labels) == len(params) == len(set(map(tuple, made.labels)))
    for index, labels in enumerate(made.labels):
        assert made.find(dict(zip(made.names, labels, strict=True))) == index


@given(grids())
def test_texts_are_short_plain_and_within_the_service_s_limits(params):
    made = layout(params)

    for name, texts in made.values.items():
        assert len(texts) <= MOST_VALUES
        assert all(re.fullmatch(r"[A-Za-z0-9_.+:-][A-Za-z0-9_.+: -]{0,99}", text) for text in (name, *texts))


def test_real_names_and_values_are_shown_where_they_can_be():
    made = layout([{"depth": d, "rate": r} for d in (4, 6) for r in (0.05, 0.1)])

    assert made.values == {"depth": ["4", "6"], "rate": ["0.05", "0.1"]}


@pytest.mark.parametrize(
    "odd",
    ["it's", 'a "quoted" word', "two\nlines", "x" * 3000, "$(rm -rf /)", "", "a;b", [1, 2], {"a": None}],
    ids=["apostrophe", "quotes", "newline", "long", "shell", "empty", "semicolon", "list", "mapping"],
)
def test_values_that_cannot_travel_as_they_are_travel_by_their_position(odd):
    made = layout([{"text": odd}, {"text": "plain"}])

    assert made.values == {"text": ["value:0", "value:1"]}


def test_values_that_look_alike_travel_by_their_position():
    assert layout([{"n": 1}, {"n": "1"}]).values == {"n": ["value:0", "value:1"]}


def test_half_a_product_has_digits():
    selected = [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)][:3]

    assert product(selected) is None
    assert layout(selected).values == {"trial_digit_0": ["0", "1", "2"]}


@pytest.mark.parametrize("name", ["sagemaker_program", "harness_trial", "_tuning_objective_metric", "größe"])
def test_names_that_jobs_have_a_use_for_are_not_used(name):
    assert list(layout([{name: 1}, {name: 2}]).values) == ["trial_digit_0"]


@given(st.integers(1, 2000))
def test_digits_count_every_trial_once_or_there_are_none(count):
    made = digits(count)

    sizes = [] if made is None else [len(texts) for texts in made.values.values()]
    if made is None:
        divisors = [d for d in range(2, MOST_VALUES + 1) if count % d == 0]
        assert count > MOST_JOBS or not divisors or _rough(count)
    else:
        assert math.prod(sizes) == count == len({tuple(labels) for labels in made.labels})
        assert max(sizes) <= MOST_VALUES


def _rough(count):
    """Whether a prime above 30 divides a number."""
    for prime in range(2, MOST_VALUES + 1):
        while count % prime == 0:
            count //= prime
    return count > 1


def test_more_values_than_a_parameter_may_have_become_digits():
    made = layout([{"n": n} for n in range(60)])

    assert {name: len(texts) for name, texts in made.values.items()} == {
        "trial_digit_1": 30,
        "trial_digit_0": 2,
    }


def test_more_points_than_a_tuning_job_may_have_are_none_of_its():
    assert layout([{"a": a, "b": b} for a in range(30) for b in range(26)]) is None


def test_a_point_that_is_none_is_said():
    with pytest.raises(LookupError):
        layout([{"a": 1}, {"a": 2}]).find({"a": "3"})
