"""The envelope layer: deadlines are bounded, hops are counted, circles are refused."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import CallLoop, DeadlineExceeded, TooManyHops
from a2a_node.pipeline.envelope import EnvelopeRules, allowed, envelope
from a2a_node.wire.calls import CALL_TOKEN

RULES = EnvelopeRules(default_deadline=30, max_deadline=60, max_hops=3)


async def done(_: Call) -> None:
    """Nothing more to do."""


def call(agent: str, time_left: float | None = None, token: str = "") -> Call:
    """A call as it arrives."""
    metadata = {CALL_TOKEN: token} if token else {}
    return Call(method="/m", rest=done, agent=agent, id="c", time_left=time_left, metadata=metadata)


def layered(parent: Envelope | None = None, revisits: int = 0):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """The layer under test, where any token continues `parent`."""
    return envelope(RULES, lambda _: parent, lambda _: revisits)


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    """And its path begins with its agent."""
    seen = call("a")
    await layered()(seen, done)
    assert seen.envelope is not None
    assert seen.envelope.allowance == 30
    assert seen.envelope.path == ("a",)
    assert seen.envelope.root == "c"


async def test_a_child_continues_its_parents_path_and_time() -> None:
    """Nothing of it is taken from the client but the token."""
    parent = Envelope(monotonic() + 5, 5, path=("a",), root="r", id="p")
    seen = call("b", 20.0, token="t")
    await layered(parent)(seen, done)
    assert seen.envelope is not None
    assert seen.envelope.path == ("a", "b")
    assert (seen.envelope.parent, seen.envelope.root, seen.envelope.id) == ("p", "r", "c")
    assert seen.envelope.allowance <= 5


async def test_a_circle_is_refused_before_any_work() -> None:
    """A > B > A is a loop unless the agent allows a revisit."""
    parent = Envelope(monotonic() + 5, 5, path=("a", "b"), root="r")
    with pytest.raises(CallLoop):
        await layered(parent)(call("a", token="t"), done)
    await layered(parent, revisits=1)(call("a", token="t"), done)


async def test_too_many_hops_are_refused() -> None:
    """The fourth agent on a path of three is one too many."""
    parent = Envelope(monotonic() + 5, 5, path=("a", "b", "c"), root="r")
    with pytest.raises(TooManyHops):
        await layered(parent)(call("d", token="t"), done)


async def test_the_deadline_ends_the_rest_of_the_call() -> None:
    """DEADLINE_EXCEEDED says how long it was given; a TimeoutError of the agent's own passes."""

    async def slow(_: Call) -> None:
        await asyncio.Event().wait()

    async def own(_: Call) -> None:
        raise TimeoutError

    with pytest.raises(DeadlineExceeded, match=r"0\.010"):
        await layered()(call("a", 0.01), slow)
    with pytest.raises(TimeoutError):
        await layered()(call("a", 10.0), own)


async def test_an_endless_stream_has_no_deadline_of_its_own() -> None:
    """A watch lives until somebody ends it."""
    seen = call("")
    seen.endless = True
    await layered()(seen, done)


@given(
    asked=st.none() | st.floats(0, 1e6),
    left=st.none() | st.floats(0, 1e6),
)
def test_no_call_ever_gets_more_time_than_it_may_have(asked: float | None, left: float | None) -> None:
    """Whatever the client asks and the parent has left."""
    parent = None if left is None else Envelope(deadline=left, allowance=left)
    allowance = allowed(RULES, call("a", asked), parent, now=0.0)
    assert 0 <= allowance <= RULES.max_deadline
    assert asked is None or allowance <= asked
    assert left is None or allowance <= left
