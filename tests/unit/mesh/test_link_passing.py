"""Calls that are passed through, over a link: messages, metadata at both ends, and the agent's own status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentEnded, AgentLost, MeshError
from a2a_node.model.payload import Payload
from a2a_node.model.proxied import PROXIED, RAW, Entries, Proxied
from tests.unit.mesh.wires import PATIENCE, Heard, Pair, asked, linked

METHOD = "orders.v1.Orders/Place"
SAID: Entries = [("tenant", "a"), ("tenant", "b"), ("blob-bin", b"\xff\0")]
FIRST: Entries = [("first", "1"), ("first-bin", b"\0")]
LAST: Entries = [("last", "2"), ("last-bin", b"\xfe")]


class Agent:
    """What serves such calls on the other node, and what it saw."""

    def __init__(self, failure: MeshError | None = None) -> None:
        self.failure = failure
        self.seen: list[Call] = []
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()

    async def serve(self, call: Call) -> None:
        """Say something first, answer each message, and end."""
        self.seen.append(call)
        call.begun = True
        assert call.proxied is not None
        await call.proxied.begin(FIRST)
        self.begun.set()
        try:
            async for payload in call.requests:
                await call.reply(payload)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.failure is not None:
            raise self.failure
        call.proxied.trailing = LAST


class Client:
    """Who calls, and what came back."""

    def __init__(self, *messages: bytes) -> None:
        self.first: list[Entries] = []
        self.heard = Heard()
        self.call = asked("x", self.heard, unary=False)
        self.call.method, self.call.capability = PROXIED, METHOD
        self.call.offered = AgentCapability(METHOD, streams_input=True, streams_output=True)
        self.call.proxied = Proxied(SAID, self._begin)
        self.call.requests = self._say(messages)

    async def _begin(self, entries: Entries) -> None:
        assert not self.heard.payloads
        self.first.append(entries)

    async def _say(self, messages: tuple[bytes, ...]) -> AsyncIterator[Payload]:
        for message in messages:
            yield Payload(message, RAW)
        if not messages:
            await asyncio.Event().wait()


@asynccontextmanager
async def passing(agent: Agent) -> AsyncIterator[Pair]:
    """A link to a node on which the agent serves what comes over it."""
    async with linked() as pair:
        pair.arrivals.opens(pair.script.run, agent.serve)
        yield pair


async def test_messages_and_metadata_pass_both_ways() -> None:
    """In their order, bytes as they are; the first metadata before any message."""
    messages = tuple(bytes([number]) * number for number in range(40))
    agent, client = Agent(), Client(*messages)
    async with passing(agent) as pair:
        await pair.carry(client.call)
    (seen,) = agent.seen
    assert (seen.method, seen.agent, seen.capability, seen.unary) == (PROXIED, "echo", METHOD, False)
    assert seen.proxied is not None
    assert client.call.proxied is not None
    assert seen.proxied.said == SAID
    assert client.first == [FIRST]
    assert client.heard.texts == list(messages)
    assert client.call.proxied.trailing == LAST


async def test_an_agents_own_status_comes_back_as_it_is() -> None:
    """With the metadata that came with it."""
    client = Client(b"x")
    async with passing(Agent(AgentEnded("ABORTED", "no stock", "OUT_OF_STOCK", LAST))) as pair:
        with pytest.raises(AgentEnded) as ended:
            await pair.carry(client.call)
    failure = ended.value
    assert (failure.code, failure.reason, failure.message) == ("ABORTED", "OUT_OF_STOCK", "no stock")
    assert failure.trailing == LAST


async def test_what_a_node_has_to_say_is_none_of_the_agents() -> None:
    """It is known by its class, and has no metadata of the agent's."""
    client = Client(b"x")
    async with passing(Agent(AgentLost("echo", "i-1"))) as pair:
        with pytest.raises(AgentLost):
            await pair.carry(client.call)


async def test_a_client_that_goes_away_cancels_the_agent_there() -> None:
    """In the middle of its messages."""
    agent, client = Agent(), Client()
    async with passing(agent) as pair, asyncio.timeout(PATIENCE):
        task = asyncio.create_task(pair.carry(client.call))
        await agent.begun.wait()
        task.cancel()
        await agent.cancelled.wait()
        await asyncio.gather(task, return_exceptions=True)
    assert client.first in ([], [FIRST])
