"""Streams whose node or connection dies in the middle: nothing is lost, nothing comes twice, nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import monotonic

import psutil
import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.model.errors import AgentLost, MeshError, NodeLost
from a2a_node.model.names import fresh_uuid
from a2a_node.testing import line_to
from tests.e2e.mesh_nodes import LEASE, Nodes
from tests.e2e.test_mesh import known as agent_known
from tests.integration.stream_house import Script

ROUNDS = 3  # at most, where the machine was busy with other things: they take half a second less than what is promised
PATIENCE = 180.0  # a hundred streams that fill all buffers cost 17 s of processor


def counted(mesh: MeshClient, n: int, delay_ms: int, **options: str) -> AsyncIterator[object]:
    """A stream of numbers."""
    return mesh.stream("echo", "count", {"n": n, "delay_ms": delay_ms}, timeout=PATIENCE, **options)  # type: ignore[arg-type]


async def number(numbers: AsyncIterator[object]) -> int:
    """The next one."""
    output = await anext(numbers)
    assert isinstance(output, dict)
    return int(output["number"])


async def until_lost(numbers: AsyncIterator[object]) -> tuple[list[int], MeshError]:
    """All that still comes, and the failure after it."""
    found = []
    try:
        while True:
            found.append(await number(numbers))
    except MeshError as failure:
        return found, failure


async def test_a_stream_goes_on_at_another_node_when_its_connection_dies(nodes: Nodes) -> None:
    """Ten times, at a different place each: all numbers come, once and in order."""
    here, there = nodes.start(), nodes.start()
    host, _, port = here.address.rpartition(":")
    for round_ in range(10):
        async with (
            line_to(host, int(port)) as line,
            MeshClient(f"127.0.0.1:{line.port},{there.address}", nodes.key) as mesh,
            asyncio.timeout(PATIENCE),
        ):
            numbers = counted(mesh, 60, 10)
            seen = [await number(numbers) for _ in range(1 + 3 * round_)]
            line.cut()
            seen += [await number(numbers) for _ in range(60 - len(seen))]
            assert seen == list(range(1, 61))
            assert [output async for output in numbers] == []


async def test_a_killed_node_loses_nothing_that_it_said(nodes: Nodes) -> None:
    """Kill -9 of the node that a client asked, early and late: what it said is read elsewhere, then NODE_LOST."""
    there = nodes.start()
    for round_ in (0, 3, 9):
        here = nodes.start()
        call_id = fresh_uuid()
        async with MeshClient(f"{here.address},{there.address}", nodes.key) as mesh, asyncio.timeout(PATIENCE):
            numbers = counted(mesh, 10_000, 5, call_id=call_id)
            seen = [await number(numbers) for _ in range(5 + 10 * round_)]
            os.kill(here.pid, signal.SIGKILL)
            killed = monotonic()
            rest, failure = await until_lost(numbers)
            assert isinstance(failure, NodeLost)
            assert monotonic() - killed < 2 * LEASE
            assert seen + rest == list(range(1, len(seen) + len(rest) + 1))
        async with MeshClient(there.address, nodes.key) as mesh:
            record = await mesh.get_call(call_id)
            assert (record.status, repr(record.error)) == (CallStatus.FAILED, repr(failure))
        here.program.end()


async def test_a_stopped_node_is_no_longer_waited_for(nodes: Nodes) -> None:
    """SIGSTOP: the client notices and reads on elsewhere; what the node says when it goes on again comes to nobody."""
    here, there = nodes.start(), nodes.start()
    async with MeshClient(f"{here.address},{there.address}", nodes.key) as mesh, asyncio.timeout(PATIENCE):
        call_id = fresh_uuid()
        numbers = counted(mesh, 10_000, 5, call_id=call_id)
        seen = [await number(numbers) for _ in range(20)]
        os.kill(here.pid, signal.SIGSTOP)
        try:
            rest, failure = await until_lost(numbers)
        finally:
            os.kill(here.pid, signal.SIGCONT)
        assert isinstance(failure, NodeLost)
        assert seen + rest == list(range(1, len(seen) + len(rest) + 1))
        async with MeshClient(here.address, nodes.key) as awake:
            while (await awake.get_call(call_id)).status is CallStatus.RUNNING:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        again = mesh.stream("echo", "say", {"text": "still"}, timeout=5)
        assert [output async for output in again] == [{"text": "still"}]


async def test_a_stopped_node_of_an_agent_ends_its_streams_within_two_leases(nodes: Nodes) -> None:
    """SIGSTOP of the node that an agent is at: all that came of it is heard at the client's node, then AGENT_LOST."""
    here, took = nodes.start(A2A_ECHO="false"), list[float]()
    async with MeshClient(here.address, nodes.key) as mesh, asyncio.timeout(PATIENCE):
        while not took or (took[-1] >= 2 * LEASE and len(took) < ROUNDS):
            there = nodes.start()
            await agent_known(mesh, "echo", 1)
            numbers = counted(mesh, 10_000, 5)
            seen = [await number(numbers) for _ in range(20)]
            os.kill(there.pid, signal.SIGSTOP)
            stopped = monotonic()
            rest, failure = await until_lost(numbers)
            took.append(monotonic() - stopped)
            there.program.end(signal.SIGKILL)
            assert isinstance(failure, AgentLost)
            assert seen + rest == list(range(1, len(seen) + len(rest) + 1))
    assert took[-1] < 2 * LEASE, took


async def test_a_client_that_reads_slowly_costs_the_node_little_memory(nodes: Nodes) -> None:
    """A hundred streams that nobody reads, each with more to say than all buffers hold."""
    here = nodes.start()
    process = psutil.Process(here.pid)
    async with MeshClient(here.address, nodes.key) as mesh, asyncio.timeout(PATIENCE):
        _ = [output async for output in counted(mesh, 200, 0)]
        before = process.memory_info().rss
        streams = [counted(mesh, 100_000, 0) for _ in range(100)]
        for stream in streams:
            assert await number(stream) == 1
        await asyncio.sleep(3)
        grown = process.memory_info().rss - before
        assert grown < 120 << 20, grown
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_client_that_reads_slowly_costs_two_nodes_little_memory(nodes: Nodes) -> None:
    """Twenty streams over a link that nobody reads, with 10 GB to say; the agent waits once all buffers are full."""
    there, here = nodes.start(), nodes.start()
    script, asked = Script(), {"size": 50_000, "count": 10_000}
    processes = [psutil.Process(node.pid) for node in (there, here)]
    async with (
        MeshClient(here.address, nodes.key) as mesh,
        attached(script.agent(), there.address, key=nodes.key),
        asyncio.timeout(PATIENCE),
    ):
        await agent_known(mesh, "talker", 1)
        _ = [output async for output in mesh.stream("talker", "flood", {**asked, "count": 10})]
        before = [process.memory_info().rss for process in processes]
        streams = [mesh.stream("talker", "flood", asked, timeout=PATIENCE) for _ in range(20)]
        for stream in streams:
            await anext(stream)
        said = -1
        while script.said != said:
            said = script.said
            await asyncio.sleep(0.5)
        grown = [process.memory_info().rss - size for process, size in zip(processes, before, strict=True)]
        assert max(grown) < 120 << 20, (grown, said)
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_client_that_leaves_on_purpose_ends_its_call(nodes: Nodes) -> None:
    """At once, rather than after the grace."""
    here = nodes.start()
    call_id = fresh_uuid()
    async with MeshClient(here.address, nodes.key) as mesh, asyncio.timeout(PATIENCE):
        numbers = counted(mesh, 1000, 60_000, call_id=call_id)
        async with aclosing(numbers):  # type: ignore[type-var]  # it is a generator
            assert await number(numbers) == 1
        assert (await mesh.get_call(call_id)).status is CallStatus.CANCELLED


async def test_a_unary_call_with_a_key_ends_for_whoever_asks_when_its_node_dies(nodes: Nodes) -> None:
    """As NODE_LOST, within two leases; it never stays running, and to cancel it changes nothing."""
    here, there = nodes.start(), nodes.start()
    call_id, begun = fresh_uuid(), asyncio.Event()
    sleeper = Agent("sleeper", version="1.0.0")

    @sleeper.capability
    async def sleep() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with (
        MeshClient(here.address, nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        attached(sleeper, here.address, key=nodes.key),
        asyncio.timeout(PATIENCE),
    ):
        waiting = asyncio.ensure_future(mesh.call("sleeper", "sleep", call_id=call_id, idempotency_key="k"))
        await begun.wait()
        assert (await other.get_call(call_id)).status is CallStatus.RUNNING
        os.kill(here.pid, signal.SIGKILL)
        killed = monotonic()
        with pytest.raises(MeshError):
            await waiting
        while (record := await known(other, call_id)) is None or record.status is CallStatus.RUNNING:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        assert isinstance(record.error, NodeLost)
        assert monotonic() - killed < 2 * LEASE
        assert (await other.cancel(call_id)).status is CallStatus.FAILED


async def test_a_call_with_a_key_is_done_elsewhere_soon_after_its_node_died(nodes: Nodes) -> None:
    """Whoever repeats it at another node waits no longer than the lease of the dead one."""
    here, there = nodes.start(), nodes.start()
    begun, again = asyncio.Event(), asyncio.Event()
    worker = Agent("worker", version="1.0.0")

    @worker.capability
    async def work() -> str:
        begun.set()
        await again.wait()
        return "done"

    async with (
        MeshClient(here.address, nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        attached(worker, there.address, key=nodes.key),
        asyncio.timeout(PATIENCE),
    ):
        await agent_known(mesh, "worker", 1)
        waiting = asyncio.ensure_future(mesh.call("worker", "work", idempotency_key="k"))
        await begun.wait()
        os.kill(here.pid, signal.SIGKILL)
        killed = monotonic()
        again.set()
        with pytest.raises(MeshError):
            await waiting
        assert await other.call("worker", "work", idempotency_key="k") == {"result": "done"}
        assert monotonic() - killed < 2 * LEASE


async def known(mesh: MeshClient, call_id: str) -> CallRecord | None:
    """How a call stands; None while that cannot be told."""
    try:
        return await mesh.get_call(call_id)
    except MeshError:
        return None
