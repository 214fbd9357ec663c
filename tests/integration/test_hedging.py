"""Slow calls that are asked of a second copy, on real nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import DeadlineExceeded, InvalidInput
from tests.ample import AMPLE
from tests.integration.conftest import Running
from tests.integration.peer_agents import PATIENCE, Beside, by_address, by_stream, known
from tests.integration.people import Meet, Meeting, meet
from tests.integration.receiver import over_grpc
from tests.integration.test_metrics import metrics, value

__all__ = ["meet"]
CALLS = 10  # at once; a node can always pay for as many second tries


class Copy:
    """One copy of an agent, and what became of the calls that it began."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck = stuck
        self.ids: list[str] = []
        self.answered = self.under_way = 0
        self.idle = asyncio.Event()
        self.agent = Agent("far")
        self.agent.capability(idempotent=True, hedging_delay="200ms", limit=AMPLE)(self.find)

    async def find(self, word: str, context: Context) -> dict[str, str]:
        """Answer, or never."""
        self.ids.append(context.call_id)
        context.spend("tokens", 1)
        self.under_way += 1
        self.idle.clear()
        try:
            if self.stuck:
                await asyncio.Event().wait()
            self.answered += 1
            return {"word": word}
        finally:
            self.under_way -= 1
            if not self.under_way:
                self.idle.set()


async def copies_of_far(place: Meeting, count: int) -> None:
    """Wait until a node knows so many."""
    async with asyncio.timeout(PATIENCE):
        await known(place, "far")
        while True:
            if len((await place.dev.agents.get("far")).instances) == count:
                return


@pytest.mark.parametrize("beside", [by_stream, by_address], ids=["attached", "endpoint"])
async def test_a_copy_that_is_stuck_holds_no_call_up(meet: Meet, beside: Beside) -> None:
    """The other copy, on another node, answers them all, once each; the stuck one hears that it need not go on."""
    stuck, well = Copy(stuck=True), Copy()
    async with (
        meet("one") as one,
        meet("two") as two,
        meet("three") as three,
        beside(stuck.agent, two),
        beside(well.agent, three),
    ):
        await copies_of_far(one, 2)
        calls: list[Awaitable[object]] = [one.dev.call("far", "find", {"word": str(n)}) for n in range(CALLS)]
        assert await asyncio.gather(*calls) == [{"word": str(n)} for n in range(CALLS)]
        async with asyncio.timeout(PATIENCE):
            await stuck.idle.wait()
        assert len(stuck.ids) >= 1
        assert well.answered == len({*well.ids}) == CALLS
        assert {*stuck.ids} <= {*well.ids}  # both tries are one call
        found = await metrics(one.node)
        tried = value(found, "a2a_hedges_total", result="won") + value(found, "a2a_hedges_total", result="lost")
        assert len(stuck.ids) <= tried <= CALLS  # one that was cancelled at once never got there
        assert value(found, "a2a_hedges_total", result="won") >= 1
        assert value(found, "a2a_instances_in_flight") == 0
        ended = value(found, "a2a_agent_invocations_total", agent="far", capability="find", outcome="ok")
        assert ended == CALLS


async def test_a_hedged_call_with_a_key_has_one_outcome_on_every_node(meet: Meet) -> None:
    """That of the try that won, for whoever repeats it anywhere, without more work."""
    stuck, well = Copy(stuck=True), Copy()
    async with (
        meet("one") as one,
        meet("two") as two,
        meet("three") as three,
        by_stream(stuck.agent, two),
        by_stream(well.agent, three),
    ):
        await copies_of_far(one, 2)
        for place in (one, three, two):
            calls = [place.dev.call("far", "find", {"word": str(n)}, idempotency_key=f"k{n}") for n in range(CALLS)]
            assert await asyncio.gather(*calls) == [{"word": str(n)} for n in range(CALLS)]
        assert well.answered == CALLS
        assert len(stuck.ids) >= 1


async def test_with_one_copy_there_is_nobody_else_to_ask(meet: Meet) -> None:
    """Nor is there with two of them on the same other node, which knows a call once; the deadline holds."""
    copies = Copy(stuck=True), Copy(stuck=True)
    async with (
        meet("one") as one,
        meet("two") as two,
        by_stream(copies[0].agent, two),
        by_stream(copies[1].agent, two),
    ):
        await copies_of_far(one, 2)
        with pytest.raises(DeadlineExceeded):
            await one.dev.call("far", "find", {"word": "x"}, timeout=1)
        assert len(copies[0].ids) + len(copies[1].ids) == 1
        assert value(await metrics(one.node), "a2a_hedges_total", result="alone") == 1


async def test_both_tries_are_seen_and_paid_for(running_node: Running) -> None:
    """Each has a span below that of the call; what both have used counts for the tree."""
    stuck, well = Copy(stuck=True), Copy()
    root = Agent("root")

    @root.capability
    async def ask(context: Context) -> dict[str, int]:
        await asyncio.gather(*(context.call("far", "find", {"word": "x"}) for _ in range(2)))  # one for each copy
        return dict(context.budget)

    with over_grpc() as receiver:
        async with running_node(trace_endpoint=receiver.address) as (node, mesh):
            key = node.key_file.read_text().strip()
            async with (
                attached(root, node.grpc_address, key=key),
                attached(stuck.agent, node.grpc_address, key=key),
                attached(well.agent, node.grpc_address, key=key),
            ):
                call_id = "3f0b8f9e-58c4-4a3e-8d5c-1a9d3f1c0a77"
                await mesh.call("root", "ask", {}, budget={"tokens": 100}, call_id=call_id)
                async with asyncio.timeout(PATIENCE):
                    await stuck.idle.wait()
                record = await mesh.get_call(call_id)
    begun = len(stuck.ids) + len(well.ids)
    assert begun >= 3
    assert record.used == {"tokens": begun}
    tries = [span for span in receiver.spans if span.name == "call far/find"]
    assert len(tries) == begun
    twice = [span for span in tries if span.attributes["a2a.call"] == stuck.ids[0]]
    assert len({span.parent_id for span in twice}) == 1
    assert {span.attributes.get("a2a.reason") for span in twice} == {None, "CALL_CANCELLED"}


async def test_what_must_not_be_hedged_is_refused_at_registration(running_node: Running) -> None:
    """By name, whoever registers it."""
    async with running_node() as (_, mesh):
        unsafe = AgentDescriptor("far", capabilities=(AgentCapability("find", hedging_delay=0.05),))
        with pytest.raises(InvalidInput, match="idempotent") as refused:
            await mesh.agents.register(unsafe, "127.0.0.1:1", 60)
        assert refused.value.violations[0][0] == "agent.capabilities[0].hedging_delay"
        kept = AgentDescriptor("far", capabilities=(AgentCapability("find", idempotent=True, hedging_delay=0.05),))
        await mesh.agents.register(kept, "127.0.0.1:1", 60)
        assert (await mesh.agents.get("far")).agent.descriptor.capability("find").hedging_delay == 0.05
