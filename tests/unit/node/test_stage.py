"""MCP servers as agents of the mesh, while they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from a2a_node.agent import Agent
from a2a_node.mesh.directory import Directory, Habits
from a2a_node.mesh.hosted import Hosted
from a2a_node.mesh.hosting import Hosting
from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.errors import AgentHeld, AgentNotFound, AgentOwned, StoreUnavailable
from a2a_node.model.names import fresh_uuid
from a2a_node.model.nodes import Node
from a2a_node.model.tool_ports import Progress
from a2a_node.model.tools import ServerTool
from a2a_node.node.stage import McpStage
from a2a_node.testing import MemoryRegistry

QUICK = Habits(first_wait=0.001, longest_wait=0.002, reread=60, patience=0.2)
PATIENCE = 5.0


@dataclass
class Named:
    """A server, as far as a stage looks at it."""

    agent: str = "mcp.s"


class Changing:
    """A session whose tools change when the test says so."""

    def __init__(self, *names: str) -> None:
        self.version, self.tools = "1.2.0", tuple[ServerTool, ...]()
        self._changed = asyncio.Event()
        self.become(*names)

    def become(self, *names: str) -> None:
        """Offer these from now on."""
        self.tools = tuple(ServerTool(name, name, input_schema={"type": "object"}) for name in names)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    async def ping(self) -> None:
        """It lives."""

    async def closed(self) -> str:
        """It never ends."""
        await asyncio.Event().wait()
        return ""

    async def call(self, tool: str, given: Mapping[str, object], progress: Progress | None = None) -> object:
        """Nobody calls."""
        raise NotImplementedError(tool)


@dataclass
class House:
    """A stage, and what it stands on."""

    stage: McpStage
    hosting: Hosting
    hosted: Hosted
    registry: MemoryRegistry
    directory: Directory
    node: Node = field(default_factory=lambda: Node("here", "here"))

    def offered(self) -> list[str]:
        """What the mesh knows of the agent."""
        return [each.name for each in self.directory.find("mcp.s").agent.descriptor.capabilities]

    def instances(self) -> int:
        """How many copies the mesh knows of it."""
        return len(self.directory.find("mcp.s").instances)

    async def until(self, count: int) -> None:
        """Wait for so many copies."""
        async with asyncio.timeout(PATIENCE):
            while self.instances() != count:
                await self.directory.changed()


@asynccontextmanager
async def housed() -> AsyncIterator[House]:
    """A stage in a mesh of one node."""
    registry = MemoryRegistry()
    await registry.join(Node("here", "here"), 15)
    hosted = Hosted({"echo": Agent("echo")}, None)
    async with (
        Directory.following(registry, QUICK) as directory,
        Hosting.keeping(hosted, registry, directory, ("here", "person:dev")) as hosting,
    ):
        yield House(McpStage(hosting, lambda *_: None), hosting, hosted, registry, directory)


async def test_a_server_is_an_agent_while_it_runs() -> None:
    """It is found as soon as the block begins, and not any more once it has ended."""
    async with housed() as house:
        async with house.stage.offering(Named(), Changing("read", "write")):  # type: ignore[arg-type]  # all it needs
            assert house.offered() == ["read", "write"]
            assert house.directory.find("mcp.s").agent.descriptor.version == "1.2.0"
            (instance,) = house.directory.find("mcp.s").instances
            assert house.hosted.reaches(instance)
        assert not house.hosted.reaches(instance)
        await house.until(0)


async def test_tools_that_change_are_told() -> None:
    """All of them, in their last state; without tools there is nobody to call."""
    async with housed() as house:
        session = Changing("read")
        async with house.stage.offering(Named(), session):  # type: ignore[arg-type]  # all it needs
            session.become("read", "write")
            async with asyncio.timeout(PATIENCE):
                while house.offered() != ["read", "write"]:
                    await house.directory.changed()
            session.become()
            await house.until(0)


async def test_a_registry_that_forgot_is_told_again() -> None:
    """As a node does that has to join anew."""
    async with housed() as house, house.stage.offering(Named(), Changing("read")):  # type: ignore[arg-type]  # all it needs
        await house.registry.leave("here")
        await house.until(0)
        await house.registry.join(house.node, 15)
        await house.hosting.reannounce()
        await house.until(1)


async def test_a_name_that_is_taken_is_refused() -> None:
    """By somebody else in the mesh, or by another copy here; nothing of it stays."""
    async with housed() as house:
        taken = AgentDescriptor("mcp.s", capabilities=(AgentCapability("say"),))
        other = Instance(fresh_uuid(), "mcp.s", "here", InstanceKind.ATTACHED)
        await house.registry.register(taken, "agent:other", other)
        with pytest.raises(AgentOwned):
            async with house.stage.offering(Named(), Changing("read")):  # type: ignore[arg-type]  # all it needs
                pass
        with pytest.raises(AgentHeld):
            async with house.stage.offering(Named("echo"), Changing("read")):  # type: ignore[arg-type]  # all it needs
                pass
        assert house.hosted.load() == 0


async def test_a_store_that_is_away_refuses_it() -> None:
    """And forgets nothing of what it knew."""
    async with housed() as house:
        house.registry.lose()
        with pytest.raises(StoreUnavailable):
            async with house.stage.offering(Named(), Changing("read")):  # type: ignore[arg-type]  # all it needs
                pass
        with pytest.raises(AgentNotFound):
            house.instances()
        house.registry.recover()
