"""What calls tell of the instances that served them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from a2a_node.mesh.breaker import State
from a2a_node.mesh.copies import Copies
from a2a_node.mesh.guard import guard
from a2a_node.model.call import Call
from a2a_node.model.errors import (
    AgentFailed,
    AgentLost,
    AgentOverloaded,
    AgentProtocol,
    AgentRefused,
    DeadlineExceeded,
    InternalError,
    MeshError,
    NodeUnreachable,
    NoInstance,
)
from a2a_node.model.payload import Payload
from a2a_node.wire.awake import BEAT, Awake
from tests.unit.mesh.calls import call, done, instance


class House:
    """The layer around one instance."""

    def __init__(self) -> None:
        self.copies = Copies(lambda _: True)
        self.time = 0.0
        self.awake = Awake(lambda: self.time)
        self.layer = guard(self.copies, self.awake)
        self.copy = self.copies.of("one")

    async def ends(self, failure: BaseException, *, begun: bool = False, cut: bool = False) -> None:
        """A call ends like this."""
        asked = call()
        asked.instance = instance("one")

        async def serve(_: Call) -> None:
            assert self.copy.score.in_flight == 1
            asked.begun, asked.cut = begun, cut
            raise failure

        with suppress(MeshError, asyncio.CancelledError):
            await self.layer(asked, serve)

    def state(self) -> State:
        """Of its breaker, now."""
        return self.copy.breaker.state(asyncio.get_running_loop().time())


async def test_a_node_that_stood_still_begins_nothing_before_it_has_heard_what_happened() -> None:
    """A call that is cancelled by what piled up never goes out."""
    house = House()
    house.time = 60.0
    asked, begun = call(), asyncio.Event()
    asked.instance = instance("one")

    async def serve(_: Call) -> None:
        begun.set()

    going = asyncio.ensure_future(house.layer(asked, serve))
    await asyncio.sleep(0)
    going.cancel()
    await asyncio.wait([going])
    assert not begun.is_set()
    house.time += BEAT
    await house.layer(asked, serve)
    assert begun.is_set()


async def test_a_lost_instance_is_taken_out_at_once() -> None:
    """And only when it is this one, not another that its agent has asked."""
    house = House()
    await house.ends(AgentLost("other", "another"))
    assert house.state() is State.CLOSED
    await house.ends(AgentLost("echo", "one"))
    assert house.state() is not State.CLOSED
    assert house.copies.opened == 1


async def test_a_link_that_breaks_takes_no_instance_out() -> None:
    """Whoever is behind it may be well: the link is made anew, or its node is out of reach."""
    house = House()
    await house.ends(AgentLost("echo", "one"), cut=True)
    assert house.state() is State.CLOSED
    assert house.copy.score.latency(asyncio.get_running_loop().time()) < 0.1
    await house.ends(AgentLost("echo", "one"))
    assert house.state() is not State.CLOSED


async def test_an_instance_that_breaks_the_rules_is_taken_out_after_a_while() -> None:
    """Not for the first time."""
    house = House()
    for _ in range(4):
        await house.ends(AgentProtocol("echo", "it answered twice"))
    assert house.state() is State.CLOSED
    await house.ends(AgentProtocol("echo", "it answered twice"))
    assert house.state() is not State.CLOSED


@pytest.mark.parametrize(
    "failure",
    [AgentFailed("echo", "say"), AgentRefused("no"), DeadlineExceeded(0.001), AgentOverloaded("echo", 9)],
    ids=["fails", "refuses", "late", "busy"],
)
async def test_what_a_caller_can_bring_about_never_stops_the_calls_of_others(failure: MeshError) -> None:
    """However often it happens."""
    house = House()
    for _ in range(200):
        await house.ends(failure)
    assert house.state() is State.CLOSED


async def test_failing_costs_an_instance_its_share() -> None:
    """However fast it failed; a refusal of the agent's own costs nothing."""
    house = House()
    await house.ends(AgentRefused("no"))
    assert house.copy.score.latency(asyncio.get_running_loop().time()) < 0.1
    await house.ends(AgentFailed("echo", "say"))
    assert house.copy.score.latency(asyncio.get_running_loop().time()) > 0.5


async def test_a_call_whose_caller_went_away_counts_no_longer() -> None:
    """And a probe that ended like this tells nothing."""
    house = House()
    await house.ends(asyncio.CancelledError())
    assert house.copy.score.in_flight == 0
    house.copy.breaker.fail(-100.0, at_once=True)
    await house.ends(asyncio.CancelledError())
    assert house.copy.breaker.allows(asyncio.get_running_loop().time())


async def test_the_first_answer_of_a_probe_lets_others_through() -> None:
    """A stream may go on for an hour, and works."""
    house, asked = House(), call()
    asked.instance = instance("one")
    house.copy.breaker.fail(-100.0, at_once=True)

    async def serve(probe: Call) -> None:
        assert house.state() is State.HALF_OPEN
        await probe.reply(Payload({}))
        assert house.state() is State.CLOSED

    await house.layer(asked, serve)


@pytest.mark.parametrize("failure", [NodeUnreachable("a:1"), NoInstance("echo"), AgentOverloaded("echo", 9)], ids=str)
async def test_a_probe_that_never_got_there_tells_nothing(failure: MeshError) -> None:
    """The breaker neither closes nor opens for longer: the next call is the probe."""
    house = House()
    house.copy.breaker.fail(-100.0, at_once=True)
    await house.ends(failure)
    assert house.state() is State.HALF_OPEN
    assert house.copy.breaker.allows(asyncio.get_running_loop().time())
    await house.ends(AgentRefused("no"), begun=True)
    assert house.state() is State.CLOSED


async def test_what_was_taken_out_while_the_node_stood_still_is_not_called() -> None:
    """Although it was picked before; the call goes elsewhere, for nobody has begun it."""
    house, asked, begun = House(), call(), False
    house.time = 60.0
    asked.instance = instance("one")

    async def serve(_: Call) -> None:
        nonlocal begun
        begun = True

    going = asyncio.ensure_future(house.layer(asked, serve))
    await asyncio.sleep(0)
    house.copy.breaker.fail(1e12, at_once=True)
    with pytest.raises(NoInstance):
        await going
    assert not begun
    assert not asked.begun


async def test_a_call_without_an_instance_is_a_fault_of_the_node() -> None:
    """The layers above pick one."""
    with pytest.raises(InternalError):
        await House().layer(call(), done)
