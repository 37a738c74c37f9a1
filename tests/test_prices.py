"""What trials may cost at most: said before they are sent, refused above a limit or where nobody knows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.sagemaker import prices
from harness.backends.sagemaker.prices import Estimate, hourly, parse_overrides, refuse
from harness.errors import DeclarationError, HarnessError


def estimate(
    trials: int = 24, instance: str = "ml.m5.xlarge", seconds: float = 3600, price: float | None = 0.23
) -> Estimate:
    return Estimate(trials=trials, instance=instance, seconds=seconds, hourly=price)


def test_the_line_says_how_many_how_long_and_how_much() -> None:
    assert str(estimate()) == (
        "24 trials x ml.m5.xlarge x at most 3600 s = at most 5.52 USD (on-demand, us-east-1, 2026-09-24)"
    )
    assert estimate().total == pytest.approx(5.52)


def test_one_trial_at_a_price_of_the_user_says_so() -> None:
    assert str(estimate(1, "ml.x9.large", 90, 0.25)) == (
        "1 trial x ml.x9.large x at most 90 s = at most 0.01 USD (by sagemaker_prices)"
    )


def test_an_unknown_price_is_said_to_be_unknown_with_what_to_set() -> None:
    unknown = estimate(3, "ml.x9.large", 60, hourly("ml.x9.large", {}))

    assert unknown.total is None
    assert str(unknown) == (
        "3 trials x ml.x9.large x at most 60 s: price unknown: set sagemaker_prices = ml.x9.large=1.23"
    )


def test_the_table_knows_common_machines_and_the_user_knows_better() -> None:
    assert hourly("ml.m5.large", {}) == 0.115
    assert hourly("ml.g5.2xlarge", {}) == 1.515
    assert hourly("ml.m5.xlarge", {}) == 0.23
    assert hourly("ml.m5.xlarge", {"ml.m5.xlarge": 0.2}) == 0.2
    assert hourly("ml.x9.large", {"ml.x9.large": 9.0}) == 9.0
    assert hourly("ml.x9.large", {"ml.m5.xlarge": 0.2}) is None


def test_every_listed_price_has_one_date_and_is_of_a_type_that_sagemaker_trains_on() -> None:
    listed = [(name, price) for found in prices._LISTED.values() for name, price in found.items()]
    botocore = pytest.importorskip("botocore.session")

    model = botocore.get_session().get_service_model("sagemaker")
    types = model.shape_for("TrainingInstanceType").enum
    assert {name for name, _ in listed} <= set(types)
    assert len({name for name, _ in listed}) == len(listed)
    assert all(0.05 < price < 50 for _, price in listed)
    assert all(date[:5] == "2026-" for date in prices._LISTED)


# Settings


def test_lines_of_settings_are_prices_by_type() -> None:
    assert parse_overrides(["", "  ml.m5.xlarge = 0.25 ", "ml.x9.large=1", "ml.x9.large = 1.0"]) == {
        "ml.m5.xlarge": 0.25,
        "ml.x9.large": 1.0,
    }
    assert parse_overrides([]) == {}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ml.m5.xlarge 0.25", "which has no ="),
        ("m5.xlarge = 0.25", "whose 'm5.xlarge' is no type of machine of SageMaker"),
        ("ml.m5.xlarge = cheap", "whose 'cheap' is no price in USD"),
        ("ml.m5.xlarge = 0,25", "whose '0,25' is no price in USD"),
        ("ml.m5.xlarge = -1", "whose '-1' is no price in USD"),
        ("ml.m5.xlarge = nan", "whose 'nan' is no price in USD"),
        ("ml.m5.xlarge = inf", "whose 'inf' is no price in USD"),
        ("ml.m5.xlarge = ", "whose '' is no price in USD"),
    ],
)
def test_a_line_that_is_none_is_shown_with_an_example(line: str, why: str) -> None:
    with pytest.raises(DeclarationError) as error:
        parse_overrides(["ml.x9.large=1", line])
    assert str(error.value) == (
        f"sagemaker_prices has the line {line.strip()!r}, {why}; "
        "write a line for each type of machine, such as sagemaker_prices = ml.m5.xlarge = 0.25"
    )


def test_two_prices_of_one_type_contradict_each_other() -> None:
    with pytest.raises(DeclarationError, match=r"two prices for ml\.x9\.large; keep one of the lines"):
        parse_overrides(["ml.x9.large=1", "ml.x9.large=2"])


# The limit


def test_several_experiments_are_refused_for_their_sum() -> None:
    both = [estimate(), estimate(2, "ml.g5.xlarge", 1800, 1.408)]
    refuse(both, 6.93)

    with pytest.raises(HarnessError) as error:
        refuse(both, 6.5)
    assert str(error.value) == (
        "26 trials may cost 6.93 USD, more than --max-cost=6.5; select fewer trials, lower "
        "sagemaker_max_runtime, choose a cheaper sagemaker_instance, or raise --max-cost"
    )


def test_the_limit_itself_may_be_reached_and_nothing_may_be_free() -> None:
    refuse([estimate()], 5.52)
    refuse([], 0)
    with pytest.raises(HarnessError, match=r"24 trials may cost 5\.52 USD, more than --max-cost=0;"):
        refuse([estimate()], 0)


def test_what_nobody_knows_keeps_to_no_limit() -> None:
    unknown = [estimate(1, f"ml.x{i}.large", price=None) for i in (9, 8, 9)]

    with pytest.raises(HarnessError) as error:
        refuse([estimate(), *unknown], 1e6)
    assert str(error.value) == (
        "--max-cost=1000000 cannot be kept: the price of ml.x8.large and ml.x9.large is unknown; set "
        "sagemaker_prices = ml.x8.large=1.23, ml.x9.large=1.23 (USD per hour), or leave out --max-cost"
    )


estimates = st.builds(
    Estimate,
    trials=st.integers(0, 10_000),
    instance=st.just("ml.x9.large"),
    seconds=st.integers(1, 28 * 24 * 3600),
    hourly=st.floats(0, 200),
)


@given(st.lists(estimates), st.floats(0, 1e9))
def test_nothing_above_the_limit_passes_and_the_text_never_says_less_than_the_sum(
    found: list[Estimate], limit: float
) -> None:
    total = math.fsum(one.total or 0 for one in found)
    if total <= limit:
        refuse(found, limit)
    elif total > limit + 1e-5:
        with pytest.raises(HarnessError) as error:
            refuse(found, limit)
        said = float(error.value.problem.partition("cost ")[2].partition(" USD")[0])
        assert -1e-5 <= said - total <= 0.0101
