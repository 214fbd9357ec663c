"""Statistics that one wild value does not bend."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.ops_ports import Tally
from a2a_node.ops.incidents.history import flow, quantile
from a2a_node.ops.incidents.robust import denser, deviation, distance, more_often

COUNTS = st.integers(0, 400)


def test_one_wild_value_changes_nothing() -> None:
    """Where a mean would have moved by a thousand."""
    assert deviation([10, 11, 9, 10, 10_000]) == pytest.approx(1.4826)
    assert distance(20, [10, 11, 9, 10, 10_000], 0.5) == pytest.approx(10 / 1.4826)
    assert deviation([]) == 0.0


def test_values_that_never_vary_are_given_some_room() -> None:
    """Else the smallest change would be infinitely far."""
    assert distance(11, [10, 10, 10], 1.0) == 1.0


@pytest.mark.parametrize(
    ("now", "before", "chance"),
    [((8, 10), (1, 10), 0.002739), ((3, 10), (0, 10), 0.105263), ((0, 10), (5, 10), 1.0), ((5, 5), (0, 0), 1.0)],
    ids=["surely", "perhaps", "rarer", "nothing-known"],
)
def test_few_calls_are_counted_out(now: tuple[int, int], before: tuple[int, int], chance: float) -> None:
    """The one-sided test of Fisher, by figures that others have computed, too."""
    assert more_often(*now, *before) == pytest.approx(chance, abs=1e-6)


@pytest.mark.parametrize(
    ("now", "before", "chance"),
    [((5, 10), (0, 10), 0.03125), ((5, 10), (0, 90), 1e-5), ((0, 10), (9, 10), 1.0), ((9, 1), (0, 0), 1.0)],
    ids=["as-long", "longer-before", "rarer", "nothing-known"],
)
def test_few_hits_in_a_span_are_counted_out(now: tuple[int, float], before: tuple[int, float], chance: float) -> None:
    """By the share of the time, as coins are."""
    assert denser(*now, *before) == pytest.approx(chance)


def test_many_hits_in_a_span_are_compared_by_the_normal_distribution() -> None:
    """As often as before is no wonder, three times as often is one."""
    assert denser(200, 10, 200, 10) == pytest.approx(0.5)
    assert denser(600, 10, 200, 10) < 1e-6


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_chance_is_one(hits: int, missed: int, hits_before: int, missed_before: int) -> None:
    """Between 0 and 1, whatever was counted; and more hits are never likelier by chance."""
    of, of_before = hits + missed, hits_before + missed_before
    chance = more_often(hits, of, hits_before, of_before)
    assert 0.0 <= chance <= 1.0
    if missed and (of + of_before > 201 or of + of_before <= 200):
        assert more_often(hits + 1, of, hits_before, of_before) <= chance + 1e-9


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.floats(0.01, 1.0))
def test_a_quantile_lies_where_the_calls_are(parts: list[int], share: float) -> None:
    """Within the bounds, and never below one of a smaller share."""
    bounds, total, counts = (0.01, 0.1, float("inf")), 0, {}
    for bound, part in zip(bounds, parts, strict=True):
        total += part
        counts[bound] = float(total)
    found = quantile(counts, share)
    assert 0.0 <= found <= 0.1
    assert found <= quantile(counts, 1.0) or isclose(found, quantile(counts, 1.0))


def test_what_came_too_fast_is_no_failure_of_the_agent() -> None:
    """It is told apart; and after a restart the counters begin anew."""
    found = flow(Tally(ok=10, errors=2, limited=1), Tally(ok=15, errors=9, limited=5))
    assert (found.calls, found.errors, found.limited) == (12, 3, 4)
    assert flow(Tally(ok=10), Tally(ok=3)).calls == 3
