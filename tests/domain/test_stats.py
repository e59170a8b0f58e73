"""Intervals of rates and of their differences, against published values and against what must always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.stats import more_needed, newcombe, wilson

TRIALS = st.integers(1, 5000)


@st.composite
def observed(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(TRIALS)
    return draw(st.integers(0, trials)), trials


def test_wilson_agrees_with_the_check_value() -> None:
    assert wilson(10, 100) == pytest.approx((0.05523, 0.17437), abs=5e-6)


def test_newcombe_agrees_with_the_check_value() -> None:
    assert newcombe(30, 200, 20, 200) == pytest.approx((-0.01541, 0.11573), abs=5e-6)


@pytest.mark.parametrize(
    ("numbers", "interval"),
    [((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)), ((10, 10, 0, 20), (0.6791, 1.0))],
)
def test_newcombe_agrees_with_the_paper(numbers: tuple[int, int, int, int], interval: tuple[float, float]) -> None:
    """Newcombe 1998, table II, method 10."""
    assert newcombe(*numbers) == pytest.approx(interval, abs=5e-5)


@given(observed())
def test_wilson_holds_the_rate_and_stays_between_nothing_and_all(one: tuple[int, int]) -> None:
    low, high = wilson(*one)
    assert 0 <= low <= one[0] / one[1] <= high <= 1


@given(observed())
def test_wilson_of_the_failures_is_its_mirror_image(one: tuple[int, int]) -> None:
    low, high = wilson(*one)
    assert wilson(one[1] - one[0], one[1]) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(observed(), st.integers(2, 9))
def test_more_of_the_same_narrows_the_interval(one: tuple[int, int], times: int) -> None:
    low, high = wilson(*one)
    narrower = wilson(one[0] * times, one[1] * times)
    assert narrower[1] - narrower[0] < high - low


@given(observed(), observed())
def test_newcombe_holds_the_difference_and_turns_with_it(one: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = newcombe(*one, *other)
    assert -1 <= low <= one[0] / one[1] - other[0] / other[1] + 1e-12
    assert low <= high <= 1
    assert newcombe(*other, *one) == pytest.approx((-high, -low), abs=1e-9)


@given(observed(), observed(), st.floats(0.01, 0.5))
def test_more_is_needed_until_the_interval_leaves_zero_out(
    one: tuple[int, int], other: tuple[int, int], share: float
) -> None:
    low, high = newcombe(*one, *other)
    needed = more_needed(*one, *other, other_share=share)
    assert (needed == 0) == (low > 0 or high < 0)
    assert 0 <= needed <= 10_000_000


def test_what_is_asked_for_is_about_enough() -> None:
    needed = more_needed(30, 200, 20, 200, other_share=0.5)
    assert 200 <= needed <= 400
    times = (400 + needed) / 400
    low, _ = newcombe(30 * times, 200 * times, 20 * times, 200 * times)
    assert low == pytest.approx(0, abs=0.01)


def test_before_anything_is_known_a_number_is_told_all_the_same() -> None:
    assert 1000 < more_needed(0, 0, 0, 0, other_share=0.1) < 100_000
    assert more_needed(0, 0, 0, 0, other_share=0.5) < more_needed(0, 0, 0, 0, other_share=0.1)


@pytest.mark.parametrize("numbers", [(1, 0), (2, 1), (-1, 3)])
def test_what_is_no_rate_is_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        wilson(*numbers)
