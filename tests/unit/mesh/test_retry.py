"""When a call is tried again, and when it must not be."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.retry import Habits, Retry, Savings, pause
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call, Keeping
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import AgentFailed, AgentLost, AgentOverloaded, MeshError, NodeUnreachable, NoInstance
from a2a_node.model.payload import TEXT, Payload
from tests.unit.mesh.calls import SAFE, SAY, call, instance
from tests.unit.virtual import in_no_time

QUICK = Habits(first_pause=0.0)


class Served:
    """What serves calls: fails as it is told, then answers with what it was asked."""

    def __init__(self, *failures: MeshError, begun: bool = True) -> None:
        self.failures = [*failures]
        self.begun = begun
        self.asked: list[Payload] = []

    async def __call__(self, asked: Call) -> None:
        """One try."""
        asked.instance = instance(f"copy-{len(self.asked)}")
        asked.begun = self.begun
        self.asked.append(await anext(asked.requests))
        if self.failures:
            raise self.failures.pop(0)
        await asked.reply(self.asked[-1])


async def tried(served: Served, asked: Call, habits: Habits = QUICK) -> Retry:
    """The layer around it."""
    retry = Retry(habits)
    await retry.layer(asked, served)
    return retry


async def test_what_nobody_began_is_tried_elsewhere() -> None:
    """With the same input, and never where it was tried before."""
    served, asked = Served(NodeUnreachable("a:1"), NoInstance("echo"), begun=False), call()
    retry = await tried(served, asked)
    assert served.asked == [Payload("hello", TEXT)] * 3
    assert asked.tried == ("copy-0", "copy-1")
    assert retry.tries.again == 2


@pytest.mark.parametrize(
    ("asked", "tries"),
    [(lambda: call(SAY), 1), (lambda: call(SAFE), 2), (lambda: call(SAY, key="k"), 2)],
    ids=["neither", "idempotent", "with a key"],
)
async def test_work_that_may_have_begun_is_done_again_only_where_that_is_safe(
    asked: Callable[[], Call], tries: int
) -> None:
    """The agent says so of its capability, or the caller of its call."""
    served = Served(AgentLost("echo", "copy-0"))
    if tries == 1:
        with pytest.raises(AgentLost):
            await tried(served, asked())
    else:
        await tried(served, asked())
    assert len(served.asked) == tries


async def test_a_reply_already_given_is_never_repeated() -> None:
    """However safe the call is."""
    served, said = Served(), list[Payload]()

    async def serve(asked: Call) -> None:
        await served(asked)
        raise AgentLost("echo", "copy-0")

    async def take(payload: Payload) -> None:
        said.append(payload)

    asked = call(SAFE)
    asked.reply = take
    with pytest.raises(AgentLost):
        await Retry(QUICK).layer(asked, serve)
    assert len(said) == 1


class Caller:
    """Takes what is said."""

    async def take(self, payload: Payload) -> None:
        """Take it."""


async def test_a_call_that_is_over_is_gone_at_once() -> None:
    """The collector need not look for it: it did so for every call, and that took a twentieth of a node's time."""
    caller, asked = Caller(), call()
    asked.reply, seen = caller.take, weakref.ref(caller)
    gc.disable()
    try:
        await tried(Served(), asked)
        del asked, caller
        assert seen() is None
    finally:
        gc.enable()


async def test_what_another_node_goes_on_with_is_not_tried_again() -> None:
    """However safe the call is: its work would be done twice."""
    served, asked = Served(AgentLost("echo", "copy-0")), call(SAFE)
    asked.keeping = Keeping("writer", lambda: None, lambda: None)
    asked.keeping.begin("heir", lambda _: None, lambda: None)
    asked.keeping.give()
    with pytest.raises(AgentLost):
        await tried(served, asked)
    assert len(served.asked) == 1


async def test_a_failure_that_no_try_helps_is_raised_at_once() -> None:
    """The agent's own, and that of a mesh in which nobody is left."""
    served = Served(AgentFailed("echo", "say"))
    with pytest.raises(AgentFailed):
        await tried(served, call(SAFE))
    assert len(served.asked) == 1

    async def nobody(asked: Call) -> None:
        asked.instance = None
        raise NoInstance("echo")

    retry = Retry(QUICK)
    with pytest.raises(NoInstance):
        await retry.layer(call(SAFE), nobody)
    assert retry.tries.again == 0


async def test_when_nobody_is_left_the_first_failure_is_told() -> None:
    """It says more than that nobody is left."""
    served = Served(AgentLost("echo", "copy-0"))

    async def serve(asked: Call) -> None:
        if asked.tried:
            asked.instance = None
            raise NoInstance("echo")
        await served(asked)

    with pytest.raises(AgentLost):
        await Retry(QUICK).layer(call(SAFE), serve)


async def test_tries_are_few() -> None:
    """Three of one call."""
    served = Served(*(AgentLost("echo", "x") for _ in range(9)))
    with pytest.raises(AgentLost):
        await tried(served, call(SAFE))
    assert len(served.asked) == 3


async def test_no_try_begins_that_would_end_too_late() -> None:
    """The deadline is nearer than the pause."""
    served = Served(AgentLost("echo", "x"))
    retry = Retry(Habits(first_pause=5.0))
    with pytest.raises(AgentLost):
        await retry.layer(call(SAFE, seconds=0.5), served)
    assert retry.tries.late == 1


async def test_a_mesh_in_trouble_is_not_flooded() -> None:
    """When everything fails, tries of earlier calls are a fifth of all calls, and the few that are always allowed."""
    retry = Retry(Habits(first_pause=0.0, floor=10))
    calls = 500
    for _ in range(calls):
        with pytest.raises(AgentLost):
            await retry.layer(call(SAFE), Served(*(AgentLost("echo", "x") for _ in range(3))))
    assert 0.19 * calls <= retry.tries.again <= 0.2 * calls + 12
    assert retry.tries.unpaid >= 0.5 * calls


OUTCOMES = {
    "is lost": AgentLost("echo", "x"),
    "is full": AgentOverloaded("echo", 9),
    "fails": AgentFailed("echo", "say"),
}
TRIES = st.tuples(st.sampled_from(["answers", *OUTCOMES]), st.floats(0, 2), st.booleans(), st.booleans())


@given(st.lists(TRIES, min_size=4, max_size=4), st.floats(0.01, 5), st.booleans())
def test_every_promise_holds_together(plan: list[tuple[str, float, bool, bool]], seconds: float, safe: bool) -> None:  # noqa: FBT001
    """Few tries, none past the deadline, none after an answer, none of unsafe work, none where it does not help."""
    asked, begins = call(SAFE if safe else SAY), list[float]()
    asked.envelope = Envelope(seconds, seconds)

    async def serve(one: Call) -> None:
        does, after, begun, says = plan[len(begins)]
        begins.append(asyncio.get_running_loop().time())
        one.instance, one.begun = instance(f"copy-{len(begins)}"), begun
        await asyncio.sleep(after)
        if says or does == "answers":
            await one.reply(Payload("yes", TEXT))
        if does in OUTCOMES:
            raise OUTCOMES[does]

    async def scenario() -> MeshError | None:
        retry = Retry(Habits(floor=10.0))
        try:
            await retry.layer(asked, serve)
        except MeshError as failure:
            return failure
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("a2a_node.mesh.retry.monotonic", lambda: asyncio.get_running_loop().time())
        failure = in_no_time(scenario())
    assert len(begins) <= 3
    assert all(at < seconds for at in begins)
    for does, _, begun, says in plan[: len(begins) - 1]:  # after which there was another try
        assert does in ("is lost", "is full")
        assert not says
        assert safe or not begun
    assert failure is OUTCOMES.get(plan[len(begins) - 1][0])


@given(st.lists(st.tuples(st.sampled_from(["put", "take"]), st.floats(0, 5)), max_size=200))
def test_more_is_never_taken_out_than_was_saved(events: list[tuple[str, float]]) -> None:
    """A fifth of the calls, what there was at first, and one for each second."""
    habits = Habits()
    savings, now, puts, taken = Savings(habits, 0.0), 0.0, 0, 0
    for event, later in events:
        now += later
        if event == "put":
            savings.put()
            puts += 1
        else:
            taken += savings.take(now)
        assert taken <= habits.floor + habits.share * puts + now + 1e-6


def test_pauses_grow_and_are_spread() -> None:
    """Doubled each time, and shortened by up to half."""
    habits = Habits(first_pause=0.1, longest_pause=0.5)
    assert [pause(habits, tried, 0.0) for tried in (1, 2, 3, 4)] == [0.1, 0.2, 0.4, 0.5]
    assert pause(habits, 1, 1.0) == 0.05


async def test_a_conversation_that_began_is_not_begun_again() -> None:
    """Its inputs cannot be said twice."""
    asked = call(AgentCapability("talk", streams_input=True, streams_output=True, idempotent=True))

    class Stream:
        """Inputs without end."""

        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> Payload:
            return Payload("next", TEXT)

    asked.requests = Stream()
    served = Served(AgentLost("echo", "x"))
    with pytest.raises(AgentLost):
        await tried(served, asked)
    assert len(served.asked) == 1
