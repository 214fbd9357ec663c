"""Streams that resume, over real gRPC and real stores, with two nodes of one mesh."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
from prometheus_client import Metric
from redis import Redis

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.client.values import encoded
from a2a_node.mesh.attach_stream import Rules
from a2a_node.model.call import CallStatus
from a2a_node.model.errors import AgentLost, CallNotFound, MeshError, StreamGap
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import Payload
from a2a_node.testing import line_to
from a2a_node.wire.payloads import from_payload
from a2amesh.v1 import agent_service_pb2 as pb
from tests.e2e.processes import Program
from tests.integration.stream_house import (
    LEASE,
    PATIENCE,
    Mesh,
    Rpc,
    Script,
    end_of,
    mesh_of_two,
    next_of,
    node_of,
    rest_of,
    said,
    words,
)
from tests.integration.test_metrics import metrics, value


@pytest.fixture
async def mesh(data_dir: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Mesh]:
    """Two nodes with a grace of half a second."""
    async with asyncio.timeout(60), mesh_of_two(data_dir, (postgres_url, redis_url), stream_grace=0.5) as opened:
        yield opened


@pytest.fixture
async def patient(data_dir: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Mesh]:
    """Two nodes that wait long for readers to come back."""
    async with asyncio.timeout(60), mesh_of_two(data_dir, (postgres_url, redis_url), stream_grace=60) as opened:
        yield opened


async def test_a_lost_reader_reads_on_at_another_node(patient: Mesh) -> None:
    """What it missed, then what follows, then the outcome; each once and in order."""
    script = patient.script
    first = patient.here.stream(agent="talker", capability="talk")
    script.say("one", "two")
    events = [await next_of(first) for _ in range(2)]
    assert [(event.sequence, said(event), event.resumable) for event in events] == [(1, "one", True), (2, "two", True)]
    first.cancel()
    script.say("three")
    again = patient.there.resume(events[0].call_id, 1)
    assert await words(again, 2) == [(2, "two"), (3, "three")]
    script.say("four", None)
    assert await words(again, 1) == [(4, "four")]
    assert await end_of(again) is None
    for house in (patient.here, patient.there):
        late = house.resume(events[0].call_id, 3)
        assert await words(late, 1) == [(4, "four")]
        assert await end_of(late) is None


def kept(found: dict[str, Metric]) -> tuple[float, float]:
    """Calls that are kept, and those of them whose client has left."""
    return value(found, "a2a_kept_calls"), value(found, "a2a_calls_without_client", why="client_left")


async def test_calls_without_a_client_are_shown(patient: Mesh) -> None:
    """As long as they run, and where they do."""
    rpc = patient.here.stream(agent="talker", capability="talk")
    patient.script.say("one")
    event = await next_of(rpc)
    heard = await metrics(patient.here.node)
    rpc.cancel()
    async with asyncio.timeout(PATIENCE):
        while not value(left := await metrics(patient.here.node), "a2a_calls_without_client", why="client_left"):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    await patient.there.mesh.cancel(event.call_id)
    async with asyncio.timeout(PATIENCE):
        while any(kept(await metrics(patient.here.node))):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    assert [kept(heard), kept(left)] == [(1, 0), (1, 1)]
    assert value(await metrics(patient.there.node), "a2a_calls_without_client", why="node_lost") == 0


async def test_a_stream_nobody_comes_back_for_ends(mesh: Mesh) -> None:
    """After the grace the agent is cancelled; whoever asks later is told so, after all that was said."""
    rpc = mesh.here.stream(agent="talker", capability="talk")
    mesh.script.say("one")
    event = await next_of(rpc)
    rpc.cancel()
    async with asyncio.timeout(PATIENCE):
        await mesh.script.stopped.wait()
    late = mesh.there.resume(event.call_id, 0)
    assert await words(late, 1) == [(1, "one")]
    failure = await end_of(late)
    assert failure is not None
    assert failure.reason == "CALL_CANCELLED"


async def test_a_reader_at_another_node_keeps_the_call_alive(mesh: Mesh) -> None:
    """However long it hears nothing."""
    rpc = mesh.here.stream(agent="talker", capability="talk")
    mesh.script.say("one")
    event = await next_of(rpc)
    rpc.cancel()
    again = mesh.there.resume(event.call_id, 1)
    waiting = asyncio.ensure_future(words(again, 1))
    await asyncio.sleep(LEASE + 1.5)  # a lease and the grace: what must not happen has had its time
    assert not mesh.script.stopped.is_set()
    mesh.script.say("two")
    assert await waiting == [(2, "two")]


async def test_who_cancels_the_call_ends_it_at_once(patient: Mesh) -> None:
    """CancelCall reaches the agent, whoever reads or does not; readers are told."""
    rpc = patient.here.stream(agent="talker", capability="talk")
    patient.script.say("one")
    event = await next_of(rpc)
    rpc.cancel()
    again = patient.there.resume(event.call_id, 1)
    record = await patient.here.mesh.cancel(event.call_id, "enough")
    assert record.status is CallStatus.CANCELLED
    failure = await end_of(again)
    assert failure is not None
    assert (failure.code, "enough" in failure.message) == ("CANCELLED", True)


async def test_a_stream_that_is_not_resumable_ends_with_its_rpc(patient: Mesh) -> None:
    """Within 100 ms or so, and nothing of it is kept."""
    rpc = patient.here.stream(agent="talker", capability="talk", resumable=False)
    patient.script.say("one")
    event = await next_of(rpc)
    assert not event.resumable
    rpc.cancel()
    async with asyncio.timeout(PATIENCE):
        await patient.script.stopped.wait()
    failure = await end_of(patient.there.resume(event.call_id, 0))
    assert failure is not None
    assert failure.reason == "STREAM_NOT_FOUND"


async def test_an_agent_that_is_lost_ends_the_stream_after_all_that_it_said(
    data_dir: Path, postgres_url: str, redis_url: str
) -> None:
    """For the client that is there and for those who come later."""
    await asyncio.to_thread(data_dir.mkdir)
    script = Script()
    async with node_of(data_dir / "here", (postgres_url, redis_url)) as here, AsyncExitStack() as stack:
        host, _, port = here.node.grpc_address.rpartition(":")
        line = await stack.enter_async_context(line_to(host, int(port)))
        await stack.enter_async_context(attached(script.agent(), f"127.0.0.1:{line.port}", key=here.key))
        rpc = here.stream(agent="talker", capability="talk")
        script.say("one")
        event = await next_of(rpc)
        line.cut()
        failure = await end_of(rpc)
        assert failure is not None
        assert failure.reason == "AGENT_LOST"
        late = here.resume(event.call_id, 0)
        assert await words(late, 1) == [(1, "one")]
        assert repr(await end_of(late)) == repr(failure)


async def until_failure(rpc: Rpc, heard: list[pb.InvokeStreamResponse]) -> MeshError:
    """What a stream fails with, after all that it still says."""
    try:
        while True:
            heard.append(await next_of(rpc))
    except MeshError as failure:
        return failure


async def test_an_agent_whose_process_stands_still_is_lost_within_two_leases(
    data_dir: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP in the middle of a stream: all that it said is heard, then AGENT_LOST, also by who comes later."""
    monkeypatch.setattr("a2a_node.node.carriers.Rules", partial(Rules, silence=LEASE / 2))
    await asyncio.to_thread(data_dir.mkdir)
    async with node_of(data_dir / "here", (postgres_url, redis_url), lease=2 * LEASE) as here:
        command = (sys.executable, "-m", "tests.chaos.agents", "a", here.node.grpc_address, data_dir / "ledger")
        with Program(command, {"A2A_KEY": here.key}) as agent:
            await asyncio.to_thread(agent.line, "ready")
            asked = from_payload(Payload({"number": "1", "n": 10_000}))
            rpc = here.stream(agent="steady", capability="count", input=asked)
            heard = [await next_of(rpc) for _ in range(10)]
            agent.send(signal.SIGSTOP)
            stopped = monotonic()
            failure = await until_failure(rpc, heard)
            took = monotonic() - stopped
            agent.send(signal.SIGKILL)
        late = here.resume(heard[0].call_id, 0)
        assert [event.sequence for event in heard] == list(range(1, len(heard) + 1))
        assert [event.sequence for event in [await next_of(late) for _ in heard]] == list(range(1, len(heard) + 1))
        assert isinstance(failure, AgentLost)
        assert repr(await end_of(late)) == repr(failure)
        assert took < 2 * 2 * LEASE


async def test_a_node_that_stops_leaves_its_streams_with_an_end(
    data_dir: Path, postgres_url: str, redis_url: str
) -> None:
    """Whoever comes back at another node is told at once, not after a lease."""
    await asyncio.to_thread(data_dir.mkdir)
    urls, slowly = (postgres_url, redis_url), from_payload(Payload({"n": 9, "delay_ms": 60_000}))
    async with node_of(data_dir / "there", urls, lease=60) as there:
        async with node_of(data_dir / "here", urls, lease=60) as here:
            event = await next_of(here.stream(agent="echo", capability="count", input=slowly))
        failure = await end_of(there.resume(event.call_id, 1))
        assert failure is not None
        assert failure.reason == "NODE_LOST"


async def test_how_a_stream_stands_is_known_at_every_node(patient: Mesh) -> None:
    """While it runs and afterwards; nothing is known of what never was."""
    rpc = patient.here.stream(agent="talker", capability="talk")
    patient.script.say("one")
    event = await next_of(rpc)
    record = await patient.there.mesh.get_call(event.call_id)
    assert (record.status, record.agent, record.capability) == (CallStatus.RUNNING, "talker", "talk")
    patient.script.say(None)
    assert await end_of(rpc) is None
    assert (await patient.there.mesh.get_call(event.call_id)).status is CallStatus.SUCCEEDED
    assert (await patient.there.mesh.cancel(event.call_id)).status is CallStatus.SUCCEEDED
    with pytest.raises(CallNotFound):
        await patient.there.mesh.get_call(fresh_uuid())


async def test_an_id_belongs_to_one_call_of_the_mesh(patient: Mesh) -> None:
    """At whichever node it is tried again."""
    call_id = fresh_uuid()
    rpc = patient.here.stream(agent="talker", capability="talk", call_id=call_id)
    patient.script.say("one")
    await next_of(rpc)
    failure = await end_of(patient.here.stream(agent="talker", capability="talk", call_id=call_id))
    assert failure is not None
    assert failure.reason == "CALL_ID_TAKEN"


async def test_a_slow_reader_slows_the_agent(patient: Mesh) -> None:
    """What is written ahead stays within what the connection and the stream hold, then all of it comes."""
    rpc = patient.here.stream(
        agent="talker", capability="flood", input=from_payload(Payload({"size": 10_000, "count": 4000}))
    )
    await next_of(rpc)
    seen = -1
    while seen != patient.script.said:
        seen = patient.script.said
        await asyncio.sleep(0.3)
    assert seen < 1500
    assert [event.sequence for event in await rest_of(rpc)] == list(range(2, 4001))


async def test_without_a_reader_the_agent_goes_on_until_as_much_is_unread_as_is_kept(patient: Mesh) -> None:
    """It waits then, and goes on when somebody reads on at another node; nothing is lost and nothing doubled."""
    rpc = patient.here.stream(
        agent="talker", capability="flood", input=from_payload(Payload({"size": 100, "count": 9000}))
    )
    event = await next_of(rpc)
    rpc.cancel()
    seen = -1
    while seen != patient.script.said:
        seen = patient.script.said
        await asyncio.sleep(0.5)
    assert 1000 < seen < 8000
    again = patient.there.resume(event.call_id, 1)
    assert [event.sequence for event in await rest_of(again)] == list(range(2, 9001))


async def test_what_was_trimmed_is_told_as_a_gap(patient: Mesh) -> None:
    """Never silently: the reader learns which events it cannot have, and a client of ours raises that."""
    asked = {"size": 10, "count": 5000}
    rpc = patient.here.stream(
        agent="talker", capability="flood", input=from_payload(encoded(asked)), idempotency_key="k"
    )
    events = await rest_of(rpc)
    again = patient.there.resume(events[0].call_id, 0)
    gap = await next_of(again)
    assert gap.WhichOneof("event") == "gap"
    assert (gap.gap.first_sequence, gap.gap.last_sequence, gap.sequence) == (1, 904, 904)
    assert [event.sequence for event in await rest_of(again)] == list(range(905, 5001))
    with pytest.raises(StreamGap) as told:
        await anext(patient.there.mesh.stream("talker", "flood", asked, idempotency_key="k"))
    assert told.value.variables == {"call": events[0].call_id, "first": "1", "last": "904"}


async def test_without_redis_a_stream_goes_on_for_the_client_that_is_there(patient: Mesh) -> None:
    """It says that nobody can come back for it."""
    rpc = patient.here.stream(agent="talker", capability="talk")
    patient.script.say("one")
    assert (await next_of(rpc)).resumable
    with Redis.from_url(patient.redis) as server:
        server.execute_command("CLIENT", "PAUSE", "4000", "ALL")
    patient.script.say("two")
    event = await next_of(rpc)
    assert (event.sequence, said(event), event.resumable) == (2, "two", False)
    patient.script.say("three", None)
    assert await words(rpc, 1) == [(3, "three")]
    assert await end_of(rpc) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"resume": pb.StreamPosition(call_id="no-uuid")}, "INVALID_INPUT"),
        ({"resume": pb.StreamPosition(call_id=fresh_uuid(), after_sequence=-1)}, "INVALID_INPUT"),
        ({"resume": pb.StreamPosition(call_id=fresh_uuid()), "agent": "talker"}, "INVALID_INPUT"),
        ({"resume": pb.StreamPosition(call_id=fresh_uuid())}, "STREAM_NOT_FOUND"),
    ],
)
async def test_a_wrong_request_to_read_on_is_refused_by_name(
    mesh: Mesh, fields: dict[str, object], reason: str
) -> None:
    """An id that is none, a place before the beginning, something beside it, a stream that never was."""
    failure = await end_of(mesh.here.stream(**fields))
    assert failure is not None
    assert failure.reason == reason


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_client_that_closes_cancels_its_streams(patient: Mesh, dropped: bool) -> None:  # noqa: FBT001
    """Those that are still open, and those that somebody has just let go of, whose end nobody awaits."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with MeshClient(patient.here.node.grpc_address, patient.here.key) as mesh:
        outputs = mesh.stream("talker", "talk")
        patient.script.say("one")
        assert await anext(outputs) == {"result": "one"}
        if dropped:
            del outputs
    async with asyncio.timeout(PATIENCE):
        await patient.script.stopped.wait()
    if not dropped:
        await outputs.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert complaints == []


async def test_a_child_of_another_call_ends_with_its_rpc(patient: Mesh) -> None:
    """Nobody comes back for it: the agent at work that made it is gone."""
    relay = Agent("relay", version="1.0.0")

    @relay.capability
    async def pass_on() -> AsyncIterator[object]:
        async with MeshClient(patient.here.node.grpc_address, patient.here.key) as inner:
            async for word in inner.stream("talker", "talk"):
                yield word

    async with attached(relay, patient.here.node.grpc_address, key=patient.here.key):
        outputs = patient.here.mesh.stream("relay", "pass_on")
        async with aclosing(outputs):  # type: ignore[type-var]  # it is a generator
            patient.script.say("one")
            assert await anext(outputs) == {"result": "one"}
        async with asyncio.timeout(PATIENCE):
            await patient.script.stopped.wait()
