"""Whether a gain is one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.ops.performance.significance import Sample, compared, lower

TIMES = st.lists(st.floats(0.1, 100.0), min_size=1, max_size=60)


def sample(*milliseconds: float, failed: int = 0) -> Sample:
    """What load has measured."""
    return Sample(milliseconds=list(milliseconds), calls=len(milliseconds) + failed, failed=failed)


def spread(middle: float, count: int, seed: int) -> list[float]:
    """Times around a middle, with a tail as calls have it."""
    chosen = random.Random(seed)  # noqa: S311 - figures, no secrets
    return [middle * chosen.lognormvariate(0, 0.3) for _ in range(count)]


def test_the_chance_is_that_of_mann_and_whitney() -> None:
    """By the figures of a textbook's example, in the normal approximation."""
    now, before = [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46], [1.15, 0.88, 0.9, 0.74, 1.21]
    assert lower(before, now) == pytest.approx(0.1272, abs=0.02)
    assert lower([1.0, 2.0, 3.0], [10.0, 11.0, 12.0]) < 0.05
    assert lower([1.0] * 30, [1.0] * 30) == 1.0
    assert lower([], [1.0]) == 1.0


@given(TIMES, TIMES)
def test_a_chance_is_one_and_only_one_side_can_be_lower(one: list[float], other: list[float]) -> None:
    """Both cannot be surely lower than each other."""
    first, second = lower(one, other), lower(other, one)
    assert 0.0 <= first <= 1.0
    assert first + second >= 0.99


@given(TIMES, TIMES)
def test_only_the_order_counts(one: list[float], other: list[float]) -> None:
    """Seconds or milliseconds: the same chance."""
    scaled = lower([each * 4 for each in one], [each * 4 for each in other])
    assert scaled == pytest.approx(lower(one, other))


def test_equal_measurements_are_rarely_called_a_gain() -> None:
    """At most as often as was allowed; of three hundred pairs a few."""
    wrong = sum(
        compared(sample(*spread(10, 80, seed)), sample(*spread(10, 80, seed + 1000))).keep for seed in range(300)
    )
    assert wrong <= 8


def test_a_real_gain_is_kept_and_a_loss_is_not() -> None:
    """With the figures in words."""
    found = compared(sample(*spread(10, 100, 1)), sample(*spread(6, 100, 2)))
    assert found.keep
    assert found.gain == pytest.approx(0.4, abs=0.1)
    assert not compared(sample(*spread(6, 100, 1)), sample(*spread(10, 100, 2))).keep


def test_a_gain_that_is_sure_but_tiny_is_not_worth_it() -> None:
    """A thousandth, however certain."""
    before = [10 + place / 1e6 for place in range(500)]
    found = compared(sample(*before), sample(*(each * 0.999 for each in before)))
    assert found.chance < 0.001
    assert not found.keep


def test_failures_count_before_times() -> None:
    """What fails fast is not fast."""
    times = spread(10, 100, 1)
    assert not compared(sample(*times), sample(*spread(2, 60, 2), failed=40)).keep
    assert compared(sample(*times[:50], failed=50), sample(*times)).keep
    assert not compared(sample(*times[:5]), sample(*spread(1, 5, 2))).keep
