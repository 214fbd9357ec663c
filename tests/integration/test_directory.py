"""Directories of two nodes on one Postgres: what one writes the other knows, even after it was cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from a2a_node.mesh.directory import Directory, Habits
from a2a_node.mesh.membership import Duties, Rhythm, membership
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import NodeNotFound
from a2a_node.model.nodes import Node, NodeStatus, Progress
from a2a_node.model.principal import Principal
from a2a_node.store.postgres import connected
from a2a_node.store.registry import PostgresRegistry
from tests.integration.store.lines import lined

PATIENCE = 20.0
HABITS = Habits(first_wait=0.01, longest_wait=0.1)
ECHO = AgentDescriptor("echo", capabilities=(AgentCapability("say"),))
ME = Principal("agent", "echo")


async def known(directory: Directory, agent: str) -> None:
    """Wait until the directory knows an agent."""
    async with asyncio.timeout(PATIENCE):
        while agent not in directory:
            await directory.changed()


async def behind(directory: Directory, *, wanted: bool) -> None:
    """Wait until the directory says that it is behind, or is not."""
    async with asyncio.timeout(PATIENCE):
        while directory.behind != wanted:
            await directory.changed()


async def nothing() -> None:
    """Nothing to announce."""


async def undrained(*_: object) -> Progress:
    """Nobody drains here."""
    return Progress(0)


async def answering(_: str) -> bool:
    """Every node answers."""
    return True


@asynccontextmanager
async def node(url: str, name: str) -> AsyncIterator[tuple[Directory, Registrar]]:
    """A node as far as the registry goes."""
    async with connected(url, patience=PATIENCE) as postgres:
        registry = PostgresRegistry(postgres)
        async with Directory.following(registry, HABITS) as directory:
            duties = Duties(nothing, lambda _: None, answering, nothing)
            async with membership(registry, directory, Node(name, f"{name}:1"), duties, Rhythm(renewal=0.05)):
                yield directory, Registrar(registry, directory, name, undrained)


async def test_what_one_node_registers_another_one_knows(postgres_url: str) -> None:
    """And whoever wrote it reads it at once."""
    async with node(postgres_url, "one") as (here, registrar), node(postgres_url, "two") as (there, _):
        entry, instance = await registrar.register(ECHO, "127.0.0.1:7000", None, ME)
        assert here.find("echo") == entry
        await known(there, "echo")
        assert there.find("echo") == entry
        assert there.instance(instance.id).node == "one"
        assert [one.id for one in there.nodes()] == ["one", "two"]


async def test_a_node_that_was_cut_off_learns_what_it_missed(postgres_url: str) -> None:
    """It answers from memory meanwhile, and says that it is behind."""
    async with lined(postgres_url) as (through, line), node(postgres_url, "one") as (_, registrar):
        await registrar.register(ECHO, "127.0.0.1:7000", None, ME)
        async with node(through, "two") as (cut_off, _):
            line.cut()
            await behind(cut_off, wanted=True)
            assert cut_off.find("echo").name == "echo"
            await registrar.register(
                AgentDescriptor("late", capabilities=ECHO.capabilities), "127.0.0.1:7001", None, ME
            )
            await line.restore()
            await behind(cut_off, wanted=False)
            assert "late" in cut_off


def standing(directory: Directory, node_id: str) -> NodeStatus | None:
    """How a node stands; None while nobody has heard of it."""
    with suppress(NodeNotFound):
        return directory.node(node_id).status
    return None


async def test_a_node_that_leaves_is_gone_for_the_others(postgres_url: str) -> None:
    """Its endpoints stay until their own leases end."""
    async with node(postgres_url, "one") as (here, _):
        async with node(postgres_url, "two") as (_, registrar):
            await registrar.register(ECHO, "127.0.0.1:7000", 600, ME)
        async with asyncio.timeout(PATIENCE):
            while standing(here, "two") is not NodeStatus.GONE:
                await here.changed()
        assert len(here.find("echo").instances) == 1
