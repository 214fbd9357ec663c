"""How well an instance answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.scores import LEAST, MEMORY, PENALTY, Score


def test_a_slow_answer_counts_at_once_and_fades() -> None:
    """After the time of its memory little of it is left."""
    score = Score()
    score.saw(0.5, 0)
    assert score.latency(0) == 0.5
    assert score.latency(MEMORY) < 0.2
    assert score.latency(5 * MEMORY) < 0.01


def test_a_fast_answer_does_not_hide_a_slow_one() -> None:
    """The slow one fades as time passes, not as calls do."""
    score = Score()
    score.saw(0.5, 0)
    for _ in range(100):
        score.saw(0.001, 0.1)
    assert score.latency(0.1) > 0.4


def test_a_fast_refusal_is_no_fast_answer() -> None:
    """Or whoever refuses everything would get all calls."""
    score = Score()
    score.saw(0.0001, 0, ill=True)
    assert score.latency(0) == PENALTY


def test_how_ill_an_instance_is_follows_its_calls_and_fades_without_any() -> None:
    """One that fails a tenth of its calls is a tenth ill, more or less."""
    refusing, failing = Score(), Score()
    for number in range(200):
        refusing.saw(0.001, 1, ill=True)
        failing.saw(0.001, 1, ill=number % 10 == 0)
    assert refusing.illness(1) > 0.99
    assert 0.02 < failing.illness(1) < 0.3
    assert refusing.illness(1 + 5 * MEMORY) < 0.01
    for _ in range(40):
        refusing.saw(0.001, 1)
    assert refusing.illness(1) < 0.01


def test_whoever_has_fewer_calls_is_cheaper() -> None:
    """Also among those that nobody asked yet."""
    idle, busy = Score(), Score()
    busy.in_flight = 3
    assert (idle.cost(0), busy.cost(0)) == (LEAST, 4 * LEAST)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 60), st.booleans()), max_size=50))
def test_a_latency_is_never_negative_nor_more_than_was_seen(seen: list[tuple[float, float, bool]]) -> None:
    """Whatever comes in whatever order."""
    score, now = Score(), 0.0
    for took, later, ill in seen:
        now += later
        score.saw(took, now, ill=ill)
        assert 0 <= score.latency(now) <= max(10, PENALTY)
