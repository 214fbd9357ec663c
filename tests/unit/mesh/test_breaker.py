"""When calls are stopped, and when they are let through again."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.breaker import Breaker, State, Tolerance

TOLERANCE = Tolerance(in_a_row=3, rate=0.5, least=10, first_pause=1.0, longest_pause=4.0)


def opened() -> Breaker:
    """A breaker that opened at 0 s."""
    breaker = Breaker(TOLERANCE)
    assert breaker.fail(0, at_once=True)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """A success in between begins the count anew."""
    breaker = Breaker(TOLERANCE)
    assert [breaker.fail(0), breaker.fail(0)] == [False, False]
    breaker.succeed()
    assert [breaker.fail(0), breaker.fail(0), breaker.fail(0)] == [False, False, True]
    assert breaker.state(0) is State.OPEN
    assert not breaker.allows(0)


def test_a_high_rate_of_failures_opens_it() -> None:
    """Also when none of them follow each other for long; and a low rate never does."""
    often, seldom = Breaker(Tolerance(in_a_row=100, least=10)), Breaker(Tolerance(in_a_row=100, least=10))
    for number in range(1000):
        often.fail(0) if number % 3 else often.succeed()
        seldom.succeed() if number % 3 else seldom.fail(0)
    assert (often.state(0), seldom.state(0)) == (State.OPEN, State.CLOSED)


def test_a_lost_connection_opens_it_at_once() -> None:
    """Calls that were under way are part of the same failure."""
    breaker = opened()
    assert [breaker.fail(0.1, at_once=True) for _ in range(20)] == [False] * 20
    assert breaker.wait(0.25) == 0.75
    assert breaker.opened == 1


def test_one_call_is_the_probe() -> None:
    """No other one passes until it has ended."""
    breaker = opened()
    assert not breaker.allows(0.99)
    assert breaker.state(1) is State.HALF_OPEN
    assert breaker.allows(1)
    assert breaker.begin(1)
    assert not breaker.allows(1)
    breaker.succeed()
    assert breaker.allows(1)
    assert not breaker.begin(1)


def test_a_probe_that_fails_doubles_the_pause() -> None:
    """Up to the longest one; a success begins anew."""
    breaker, now = opened(), 0.0
    for pause in (1.0, 2.0, 4.0, 4.0):
        assert not breaker.allows(now + pause - 0.01)
        now += pause
        assert breaker.begin(now)
        assert breaker.fail(now)
    now += 4
    breaker.begin(now)
    breaker.succeed()
    breaker.fail(now, at_once=True)
    assert breaker.allows(now + 1)


def test_a_probe_that_tells_nothing_makes_room_for_another() -> None:
    """Its caller went away."""
    breaker = opened()
    breaker.begin(1)
    breaker.let_go(1)
    assert breaker.allows(1)


@given(st.lists(st.sampled_from(["succeed", "fail", "lose", "let_go", "begin"]), max_size=60))
def test_it_is_never_closed_for_good(events: list[str]) -> None:
    """Whatever happened, once all calls have ended a call passes after the longest pause."""
    breaker = Breaker(TOLERANCE)
    for now, event in enumerate(events):
        if event == "begin":
            breaker.begin(now) if breaker.allows(now) else None
        elif event in ("fail", "lose"):
            breaker.fail(now, at_once=event == "lose")
        else:
            breaker.succeed() if event == "succeed" else breaker.let_go(now)
    assert breaker.allows(len(events) + TOLERANCE.longest_pause)


def test_a_probe_that_takes_long_does_not_keep_all_others_off() -> None:
    """After the longest pause there may be another one."""
    breaker = opened()
    breaker.begin(1)
    assert not breaker.allows(4.9)
    assert breaker.state(4.9) is State.HALF_OPEN
    assert breaker.allows(5)


def test_calls_from_before_say_nothing_of_the_probe() -> None:
    """They neither close the breaker nor make its pause longer."""
    breaker = opened()
    breaker.begin(1)
    breaker.succeed(probe=0)
    assert not breaker.fail(1.5, at_once=True, probe=0)
    assert breaker.state(1.5) is State.HALF_OPEN
    breaker.succeed()
    assert breaker.state(1.5) is State.CLOSED


EVENTS = st.lists(
    st.tuples(st.sampled_from(["call", "call", "call", "succeed", "fail", "lose", "leave"]), st.integers(0, 3)),
    max_size=80,
)


@given(EVENTS, st.randoms(use_true_random=False))
def test_there_is_one_probe_at_a_time(events: list[tuple[str, int]], random: Random) -> None:
    """Whoever comes and however calls end, in any order: another one only once it has ended, or after a long while."""
    breaker, now, calls = Breaker(TOLERANCE), 0.0, list[tuple[float, int]]()
    for event, later in events:
        now += later
        if event == "call" and breaker.allows(now):
            probe = breaker.begin(now)
            others = [at for at, was in calls if was]
            assert not probe or all(now - at >= TOLERANCE.longest_pause for at in others)
            calls.append((now, probe))
        elif event != "call" and calls:
            _, probe = calls.pop(random.randrange(len(calls)))
            if event == "succeed":
                breaker.succeed(probe=probe)
            elif event == "leave":
                breaker.let_go(now, probe=probe)
            else:
                breaker.fail(now, at_once=event == "lose", probe=probe)
        assert breaker.wait(now) <= TOLERANCE.longest_pause
