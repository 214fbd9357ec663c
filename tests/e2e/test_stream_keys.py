"""Streams with an idempotency key whose node dies: a repeat joins where one goes on, or begins it again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import NodeLost
from tests.e2e.mesh_nodes import Nodes
from tests.e2e.test_mesh import known
from tests.e2e.test_streams import PATIENCE, number, until_lost

KEYED = {"idempotency_key": "once"}


class Gated:
    """An agent that says so many numbers at once and the others when it may; it counts its work."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.begun = at_once, 0
        self.works, self.go_on = asyncio.Event(), asyncio.Event()

    def agent(self) -> Agent:
        """The agent."""
        gated = Agent("gated", version="1.0.0")

        @gated.capability
        async def count(n: int) -> AsyncIterator[dict[str, int]]:
            self.begun += 1
            self.works.set()
            for one in range(1, n + 1):
                if one > self.at_once:
                    await self.go_on.wait()
                yield {"number": one}

        return gated


def asked(mesh: MeshClient) -> AsyncIterator[object]:
    """Ten numbers, under the key."""
    return mesh.stream("gated", "count", {"n": 10}, timeout=PATIENCE, **KEYED)  # type: ignore[arg-type]


@pytest.mark.parametrize("at_once", [3, 0], ids=["words", "no word"])
async def test_a_repeat_joins_what_the_agents_node_goes_on_with(nodes: Nodes, at_once: int) -> None:
    """Kill -9 of the client's node while the agent works at another: both clients hear all of one agent run."""
    there, here = nodes.start(), nodes.start()
    gated = Gated(at_once)
    async with (
        attached(gated.agent(), there.address, key=nodes.key),
        MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        await known(mesh, "gated", 1)
        first = asked(mesh)
        if at_once:
            seen = [await number(first) for _ in range(at_once)]
        else:
            hearing = asyncio.ensure_future(number(first))
            await gated.works.wait()
        os.kill(here.pid, signal.SIGKILL)
        second = asked(other)
        again = [await number(second) for _ in range(at_once)]
        gated.go_on.set()
        if not at_once:
            seen = [await hearing]
        assert seen + [await number(first) for _ in range(10 - len(seen))] == list(range(1, 11))
        assert again + [await number(second) for _ in range(10 - at_once)] == list(range(1, 11))
        assert gated.begun == 1


async def test_a_repeat_begins_again_what_died_before_its_first_word(nodes: Nodes) -> None:
    """The client's node dies with its copy of the agent: clients of ours repeat it at the next node, for one work."""
    here, there = nodes.start(), nodes.start()
    gated = Gated(0)
    async with (
        attached(gated.agent(), here.address, key=nodes.key),
        attached(gated.agent(), there.address, key=nodes.key),
        MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        await known(mesh, "gated", 2)
        first = asked(mesh)
        hearing = asyncio.ensure_future(number(first))
        await gated.works.wait()
        os.kill(here.pid, signal.SIGKILL)
        gated.go_on.set()
        second = asked(other)
        assert [await number(second) for _ in range(10)] == list(range(1, 11))
        assert [await hearing, *[await number(first) for _ in range(9)]] == list(range(1, 11))
        assert gated.begun == 2


async def test_what_was_said_before_its_node_died_is_said_to_whoever_repeats_it(nodes: Nodes) -> None:
    """And then NODE_LOST: to begin again would say it twice."""
    here, there = nodes.start(), nodes.start()
    async with (
        MeshClient(here.address, nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        asked = {"n": 1000, "delay_ms": 20}
        first = mesh.stream("echo", "count", asked, timeout=PATIENCE, **KEYED)  # type: ignore[arg-type]
        seen = [await number(first) for _ in range(5)]
        os.kill(here.pid, signal.SIGKILL)
        for _ in range(2):
            repeat = other.stream("echo", "count", asked, timeout=PATIENCE, **KEYED)  # type: ignore[arg-type]
            heard, failure = await until_lost(repeat)
            assert isinstance(failure, NodeLost)
            assert heard[:5] == seen
            assert heard == list(range(1, len(heard) + 1))
