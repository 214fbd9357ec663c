"""Agents, instances and nodes for tests of the mesh, and a registry that knows two nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from a2a_node.mesh.directory import Directory, Habits
from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.names import fresh_uuid
from a2a_node.model.nodes import Node
from a2a_node.testing import MemoryRegistry

R = TypeVar("R", bound=MemoryRegistry)
HERE, THERE = "here", "there"
OWNER = "agent:owner"
QUICK = Habits(first_wait=0.001, longest_wait=0.002, reread=60, patience=0.2)


def agent(name: str, **fields: object) -> AgentDescriptor:
    """An agent that can say something."""
    return AgentDescriptor(name, capabilities=(AgentCapability("say"),), **fields)  # type: ignore[arg-type]


def endpoint(of: str, node: str = HERE, address: str = "127.0.0.1:1") -> Instance:
    """A running copy on an address of its own."""
    return Instance(fresh_uuid(), of, node, InstanceKind.ENDPOINT, address)


def attached(of: str, node: str = HERE) -> Instance:
    """A running copy that its node holds."""
    return Instance(fresh_uuid(), of, node, InstanceKind.ATTACHED)


async def joined(registry: R) -> R:
    """A registry with two nodes."""
    for node in (HERE, THERE):
        await registry.join(Node(node, f"{node}:50051"), 15)
    return registry


async def registered(registry: MemoryRegistry, *names: str) -> int:
    """Register agents with one endpoint each; the revision."""
    revision = 0
    for name in names:
        _, revision = await registry.register(agent(name), OWNER, endpoint(name), 15)
    return revision


@asynccontextmanager
async def known(*names: str, habits: Habits = QUICK) -> AsyncIterator[tuple[MemoryRegistry, Directory]]:
    """A registry with agents, and a directory that follows it."""
    registry = await joined(MemoryRegistry())
    await registered(registry, *names)
    async with Directory.following(registry, habits) as directory:
        yield registry, directory
