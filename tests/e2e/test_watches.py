"""Watches whose node dies: they go on at another one by themselves, and nothing is lost or told twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

from a2a_node.client import MeshClient
from a2a_node.client.agents import AgentChange
from a2a_node.client.audit import Witnessed
from a2a_node.client.cache import Published, Started
from a2a_node.model.audit import AuditFilter
from tests.e2e.mesh_nodes import Nodes
from tests.e2e.nodes import RunningNode
from tests.e2e.test_streams import PATIENCE

MESSAGES = 20


def killed(node: RunningNode) -> None:
    """The node dies."""
    os.kill(node.pid, signal.SIGKILL)


async def test_a_subscription_goes_on_at_another_node(nodes: Nodes) -> None:
    """Every message comes once and in the order of the ids, those that were published meanwhile, too."""
    here, there = nodes.start(), nodes.start()
    async with (
        MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        news = mesh.cache.subscribe("news")
        assert isinstance(await anext(news), Started)
        for number in range(MESSAGES):
            await other.cache.publish("news", number)
            if number == MESSAGES // 2:
                killed(here)
        heard = [await anext(news) for _ in range(MESSAGES)]
        assert [one.value for one in heard if isinstance(one, Published)] == list(range(MESSAGES))


async def test_a_watch_of_events_goes_on_at_another_node(nodes: Nodes) -> None:
    """Every event of the node that lives comes once and in order."""
    here, there = nodes.start(), nodes.start()
    async with (
        MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        events = mesh.audit.watch(AuditFilter(action="cache:*"))
        await anext(events)
        for number in range(MESSAGES):
            await other.cache.set(f"k-{number}", number)
            if number == MESSAGES // 2:
                killed(here)
        heard = [await anext(events) for _ in range(MESSAGES)]
        targets = [one.event.fact.target for one in heard if isinstance(one, Witnessed)]
        assert targets == [f"value:/k-{number}" for number in range(MESSAGES)]


async def test_a_watch_of_agents_goes_on_at_another_node(nodes: Nodes) -> None:
    """It tells each change once, and never begins again."""
    here, there = nodes.start(), nodes.start()
    async with (
        MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        changes = mesh.agents.watch()
        while (await anext(changes)).kind != "current":
            pass
        described = []
        for number in range(MESSAGES):
            await other.agents.update("echo", description=f"number {number}")
            if number == MESSAGES // 2:
                killed(here)
            described.append(await told(changes, f"number {number}"))
        revisions = [change.revision for change in described]
        assert revisions == sorted(set(revisions))


async def told(changes: AsyncIterator[AgentChange], description: str) -> AgentChange:
    """The change to that description; none before it is a step back."""
    async for change in changes:
        assert change.kind != "reset"
        if change.entry is not None and change.entry.agent.descriptor.description == description:
            return change
    raise AssertionError(description)
