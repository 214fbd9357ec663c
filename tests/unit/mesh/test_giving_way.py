"""Steps of runs give way to calls, as far as the loop is late and no further."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.giving_way import ALONE, BEAT, BEATS, FIRST, IDLE, LATE, LEAST, GivingWay, Spacing
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.warrants import StepOfRun
from tests.unit.virtual import in_no_time

MOST, EVERY = 0.04, BEAT * BEATS  # seconds
CALL, CHILD, STEP = "call", "child", "step"


async def done(_: Call) -> None:
    """Nothing more to do."""


def made(kind: str) -> Call:
    """A call that begins a tree, one of an agent, or a step of a run."""
    parent = {CALL: "", CHILD: "p", STEP: "run"}[kind]
    call = Call(method="/m", rest=done, agent="echo", envelope=Envelope(inf, inf, parent=parent))
    call.step = StepOfRun("run", "a") if kind == STEP else None
    return call


def told(*kinds: str, most: float = MOST, late: float = 0.0) -> Sequence[float]:
    """What the engine hears while such calls come for a second, and after that."""

    async def scenario() -> list[float]:
        heard: list[float] = []
        loop, behind = asyncio.get_running_loop(), [0.0]

        def clock() -> float:
            behind[0] += late
            return loop.time() + behind[0]

        way = GivingWay(most, clock)
        async with way.kept(heard.append):
            for _ in range(round(1 / EVERY)):
                for kind in kinds:
                    await way.layer(made(kind), done)
                await asyncio.sleep(EVERY)
            await asyncio.sleep(ALONE + IDLE)
            assert way.apart == 0
        return heard

    return in_no_time(scenario())


@pytest.mark.parametrize("kinds", [(), (STEP,), (CALL,), (CALL, CHILD), (STEP, CHILD)])
def test_steps_alone_and_calls_alone_are_left_alone(kinds: Sequence[str]) -> None:
    """What agents call is no reason, either: it may be part of a run."""
    assert told(*kinds) == []


def test_steps_beside_calls_begin_apart_until_no_more_calls_come() -> None:
    """A little at first, less and less while the loop is in time, and not at all in the end."""
    heard = told(STEP, CALL)
    assert heard[0] == FIRST
    assert all(after < before for before, after in pairwise(heard))
    assert heard[-1] == 0


def test_a_late_loop_moves_them_apart_up_to_a_bound() -> None:
    """So that calls find a gap, and steps go on."""
    assert max(told(STEP, CALL, late=1.1 * LATE)) == MOST


def test_where_the_bound_is_0_steps_never_give_way() -> None:
    """However late the loop is."""
    assert told(STEP, CALL, most=0.0, late=1.0) == []


def test_a_loop_that_is_in_time_lets_all_go_at_once() -> None:
    """A node with processors to spare holds no run up."""
    spacing = Spacing(MOST)
    for _ in range(1000):
        spacing.saw(LATE / 2)
    assert spacing.seconds == 0
    spacing.saw(2 * LATE)
    assert spacing.seconds == LEAST


@given(st.floats(0, 1), st.lists(st.floats(-1, 10), max_size=100))
def test_steps_are_never_further_apart_than_the_bound(most: float, beats: Sequence[float]) -> None:
    """Nor nearer than at once, whatever the beats say."""
    spacing = Spacing(most)
    for late in beats:
        spacing.saw(late)
        assert 0 <= spacing.seconds <= most
