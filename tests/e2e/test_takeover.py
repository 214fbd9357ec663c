"""Streams whose client's node is lost while their agent works at another one: they go on, whole, to the good end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.call import CallStatus
from a2a_node.model.errors import CallCancelled, MeshError
from a2a_node.model.names import fresh_uuid
from tests.e2e.mesh_nodes import LEASE, Nodes
from tests.e2e.nodes import RunningNode
from tests.e2e.test_mesh import known
from tests.e2e.test_streams import PATIENCE, number, until_lost

EVENTS = 300  # of a stream
DELAY = 0.01  # seconds between them
SILENCE = 10.0  # seconds until a client no longer waits for a node that stands still


@dataclass
class Counting:
    """An agent that counts, the second half once it may, and how often it was asked to and stopped."""

    begun: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def agent(self) -> Agent:
        """The agent."""
        counter = Agent("counter", version="1.0.0")

        @counter.capability
        async def count(n: int = EVENTS, delay: float = DELAY) -> AsyncIterator[dict[str, int]]:
            self.begun += 1
            try:
                for one in range(1, n + 1):
                    if one > n // 2:
                        await self.go_on.wait()
                    yield {"number": one}
                    await asyncio.sleep(delay)
            except (asyncio.CancelledError, GeneratorExit):
                self.stopped.set()
                raise

        return counter


def killed(node: RunningNode) -> Callable[[], None]:
    """The node dies; nothing is to be done afterwards."""
    os.kill(node.pid, signal.SIGKILL)
    return lambda: None


def drained(node: RunningNode) -> Callable[[], None]:
    """The node is told to stop, and gives up what has not ended soon."""
    os.kill(node.pid, signal.SIGTERM)
    return lambda: None


def stopped(node: RunningNode) -> Callable[[], None]:
    """The node stands still, until it goes on."""
    os.kill(node.pid, signal.SIGSTOP)
    return lambda: os.kill(node.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("lost", "rounds"), [(killed, 5), (drained, 2), (stopped, 2)], ids=["killed", "drained", "stopped"]
)
async def test_a_stream_goes_on_when_its_clients_node_is_lost(
    nodes: Nodes, lost: Callable[[RunningNode], Callable[[], None]], rounds: int
) -> None:
    """At a different place each time: every event comes, once and in order, from work that was begun once."""
    there = nodes.start()
    counting = Counting()
    async with attached(counting.agent(), there.address, key=nodes.key):
        for round_ in range(rounds):
            here = nodes.start(A2A_DRAIN="0.1")
            call_id = fresh_uuid()
            counting.go_on.clear()
            async with (
                MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
                MeshClient(there.address, nodes.key) as other,
                asyncio.timeout(PATIENCE),
            ):
                await known(mesh, "counter", 1)
                numbers = mesh.stream("counter", "count", call_id=call_id, timeout=PATIENCE)
                seen = [await number(numbers) for _ in range(1 + 20 * round_)]
                goes_on = lost(here)
                at = monotonic()
                seen.append(await number(numbers))
                while seen[-1] < EVENTS // 2:
                    seen.append(await number(numbers))
                assert monotonic() - at < 2 * LEASE + SILENCE + EVENTS * DELAY
                assert (await other.get_call(call_id)).status is CallStatus.RUNNING
                goes_on()
                counting.go_on.set()
                seen += [await number(numbers) for _ in range(EVENTS - len(seen))]
                assert seen == list(range(1, EVENTS + 1))
                assert [output async for output in numbers] == []
                assert (await other.get_call(call_id)).status is CallStatus.SUCCEEDED
            here.program.end()
    assert counting.begun == rounds
    assert not counting.stopped.is_set()


async def test_whoever_asks_ends_a_stream_whose_clients_node_died(nodes: Nodes) -> None:
    """CancelCall at any node, and a deadline that crossed the hop: the agent stops, and readers are told why."""
    there, third = nodes.start(), nodes.start()
    for ends in ("cancel", "deadline"):
        here, counting, call_id = nodes.start(), Counting(), fresh_uuid()
        async with (
            attached(counting.agent(), there.address, key=nodes.key),
            MeshClient(f"{here.address},{third.address}", nodes.key) as mesh,
            MeshClient(third.address, nodes.key) as other,
            asyncio.timeout(PATIENCE),
        ):
            await known(mesh, "counter", 1)
            time_left = PATIENCE if ends == "cancel" else 2 * LEASE
            numbers = mesh.stream("counter", "count", {"n": 100_000}, call_id=call_id, timeout=time_left)
            seen = [await number(numbers) for _ in range(5)]
            os.kill(here.pid, signal.SIGKILL)
            seen += [await number(numbers) for _ in range(5)]
            if ends == "cancel":
                assert (await other.cancel(call_id, "enough")).status is CallStatus.CANCELLED
            rest, failure = await until_lost(numbers)
            assert failure.code == ("CANCELLED" if ends == "cancel" else "DEADLINE_EXCEEDED")
            assert seen + rest == list(range(1, len(seen) + len(rest) + 1))
            await counting.stopped.wait()


async def test_nobody_reads_on_and_the_stream_ends(nodes: Nodes) -> None:
    """A client that leaves for good leaves no work behind: the grace counts at the node that goes on."""
    there, here = nodes.start(A2A_STREAM_GRACE="1"), nodes.start()
    counting, call_id = Counting(), fresh_uuid()
    async with (
        attached(counting.agent(), there.address, key=nodes.key),
        MeshClient(here.address, nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        asyncio.timeout(PATIENCE),
    ):
        await known(mesh, "counter", 1)
        numbers = mesh.stream("counter", "count", {"n": 100_000}, call_id=call_id, timeout=PATIENCE)
        assert await number(numbers) == 1
        os.kill(here.pid, signal.SIGKILL)
        await counting.stopped.wait()
        record = await other.get_call(call_id)
        assert isinstance(record.error, CallCancelled)
        assert "nobody has read it" in record.error.message
        async with aclosing(numbers):  # type: ignore[type-var]  # it is a generator
            pass


async def test_an_error_of_an_agent_whose_callers_node_died_is_told_as_it_is(nodes: Nodes) -> None:
    """After all that was said before."""
    there, here = nodes.start(), nodes.start()
    go_on = asyncio.Event()
    failing = Agent("failing", version="1.0.0")

    @failing.capability
    async def fail() -> AsyncIterator[dict[str, int]]:
        yield {"number": 1}
        await go_on.wait()
        yield {"number": 2}
        raise MeshError("not today")

    async with (
        attached(failing, there.address, key=nodes.key),
        MeshClient(f"{here.address},{there.address}", nodes.key) as mesh,
        asyncio.timeout(PATIENCE),
    ):
        await known(mesh, "failing", 1)
        numbers = mesh.stream("failing", "fail", timeout=PATIENCE)
        assert await number(numbers) == 1
        os.kill(here.pid, signal.SIGKILL)
        go_on.set()
        rest, failure = await until_lost(numbers)
        assert (rest, failure.message) == ([2], "not today")
