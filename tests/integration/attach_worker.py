"""An agent that notices what happens to it, and ways to wait for what happens around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Self

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from a2a_node.agent import Agent, Context
from a2a_node.model.errors import MeshError
from tests.integration.attach_house import House

PATIENCE = 10.0


class Worker:
    """An agent, and what it notices."""

    def __init__(self, name: str = "worker") -> None:
        self.agent = Agent(name, config={"own": True})
        self.begun, self.stopped, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.stopped_at = 0.0
        self.written = 0
        self.together, self.most = 0, 0
        self.contexts: list[Context] = []
        for capability in (self.say, self.wait, self.flood, self.add, self.pass_on, self.turn):
            self.agent.capability(capability)

    async def say(self, text: str, context: Context) -> str:
        """Answer with the text."""
        self.contexts.append(context)
        return text

    async def wait(self) -> str:
        """Wait until told to go on."""
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.stopped_at = monotonic()
            self.stopped.set()
            raise
        return "done"

    async def turn(self) -> int:
        """How many work at the same time."""
        self.together += 1
        self.most = max(self.most, self.together)
        await asyncio.sleep(0)
        self.together -= 1
        return self.most

    async def flood(self, count: int, size: int = 10) -> AsyncIterator[str]:
        """So many answers."""
        for number in range(count):
            self.written = number + 1
            yield str(number).rjust(size)

    async def add(self, numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        """Every sum so far."""
        total = 0
        async for number in numbers:
            total += number
            yield total

    async def pass_on(self, agent: str, context: Context) -> object:
        """Ask another agent."""
        return await context.call(agent, "say", {"text": "from " + context.agent})


class Said:
    """What is logged while a block runs."""

    def __init__(self) -> None:
        self.entries: list[EventDict] = []
        self._news = asyncio.Event()

    def note(self, _: object, level: str, entry: EventDict) -> EventDict:
        """Take in what is logged."""
        self.entries.append({**entry, "level": level})
        self._news.set()
        return entry

    async def heard(self, level: str, word: str = "", times: int = 1) -> None:
        """Wait until something was logged that has the word in it, so many times."""
        async with asyncio.timeout(PATIENCE):
            while sum(entry["level"] == level and word in str(entry) for entry in self.entries) < times:
                self._news.clear()
                await self._news.wait()

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """Listen until the block ends."""
        with capture_logs(processors=[self.note]):
            yield self

    def levels(self) -> list[str]:
        """How serious it was."""
        return [entry["level"] for entry in self.entries]


async def instances(here: House, expected: int) -> list[str]:
    """Wait until the directory knows that many instances of the worker; their ids."""
    async with asyncio.timeout(PATIENCE):
        while True:
            known = [one.id for agent in here.directory.agents() for one in agent.instances if one.agent == "worker"]
            if len(known) == expected:
                return known
            await here.directory.changed()


async def refused(work: Awaitable[object]) -> MeshError:
    """The failure of something that must fail."""
    with pytest.raises(MeshError) as failure:
        async with asyncio.timeout(PATIENCE):
            await work
    return failure.value


async def ended(serving: asyncio.Task[None]) -> None:
    """Tell an agent to stop and wait until it has."""
    serving.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([serving])
