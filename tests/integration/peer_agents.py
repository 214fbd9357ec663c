"""Agents for tests with several nodes, and what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import AgentRefused, MeshError
from tests.ample import AMPLE
from tests.integration.people import Meeting

PATIENCE = 20.0
Beside = Callable[[Agent, Meeting], AbstractAsyncContextManager[object]]


class Work:
    """What an agent saw."""

    def __init__(self) -> None:
        self.begun = self.calls = 0
        self.started, self.stopped = asyncio.Event(), asyncio.Event()
        self.seen: list[Context] = []


def worker(name: str, work: Work) -> Agent:
    """An agent with a capability of each shape, one that asks others, and ways to fail."""
    agent = Agent(name)
    _talks(agent, work)
    _fails(agent)

    @agent.capability(limit=AMPLE)
    async def hand_on(route: list[str], context: Context) -> object:
        work.begun += 1
        if not route:
            return {"path": list(context.path), "time_left": context.time_left()}
        return await context.call(route[0], "hand_on", {"route": route[1:]})

    return agent


def _talks(agent: Agent, work: Work) -> None:

    @agent.capability(idempotent=True, limit=AMPLE)
    async def say(text: str, context: Context) -> dict[str, str]:
        work.calls += 1
        work.seen.append(context)
        return {"text": text}

    @agent.capability(limit=AMPLE)
    async def count(n: int) -> AsyncIterator[dict[str, int]]:
        for number in range(1, n + 1):
            work.calls = number
            yield {"number": number}

    @agent.capability(limit=AMPLE)
    async def talk(words: AsyncIterator[dict[str, str]]) -> AsyncIterator[dict[str, str]]:
        async for word in words:
            yield {"heard": word["text"]}

    @agent.capability(limit=AMPLE)
    async def wait() -> None:
        work.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            work.stopped.set()


def _fails(agent: Agent) -> None:
    @agent.capability(limit=AMPLE)
    async def refuse(code: str) -> None:
        raise AgentRefused("not today", code=code, reason="CLOSED", until="noon")

    @agent.capability(limit=AMPLE)
    async def crash() -> None:
        raise RuntimeError("hunter2")


def by_stream(agent: Agent, place: Meeting) -> AbstractAsyncContextManager[object]:
    """The agent, attached to a node."""
    return attached(agent, place.node.grpc_address, key=place.dev_key)


def by_address(agent: Agent, place: Meeting) -> AbstractAsyncContextManager[object]:
    """The agent, on an address that is registered with a node."""
    return endpoint(agent, place.dev)


async def granted(place: Meeting, permission: str, principal: str = "person:ann") -> None:
    """Wait until a node knows what somebody may do, by a grant that another node has given."""
    async with asyncio.timeout(PATIENCE):
        while not (await place.dev.grants.check(permission, principal)).allowed:
            continue


async def known(place: Meeting, *agents: str) -> None:
    """Wait until a node knows these agents."""
    async with asyncio.timeout(PATIENCE):
        for agent in agents:
            while True:
                try:
                    entry = await place.dev.agents.get(agent)
                except MeshError:
                    continue
                if entry.instances:
                    break
