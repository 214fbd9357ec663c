"""The kill switch, over real gRPC and real stores, with two nodes of one mesh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import CallTokenInvalid, FreezeNotFound, Frozen, InvalidInput, MeshError
from a2a_node.model.names import fresh_uuid
from tests.integration.stream_house import Mesh, mesh_of_two

SLOWLY = {"n": 100, "delay_ms": 60_000}


@pytest.fixture
async def mesh(data_dir: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Mesh]:
    """Two nodes, the first of which hosts echo."""
    async with asyncio.timeout(60), mesh_of_two(data_dir, (postgres_url, redis_url), lease=15) as opened:
        yield opened


async def failure_of(outputs: AsyncIterator[object]) -> MeshError:
    """What a stream ends with."""
    with pytest.raises(MeshError) as failure:
        _ = [output async for output in outputs]
    return failure.value


async def tried(mesh: MeshClient) -> object:
    """What comes of one more call."""
    try:
        return await mesh.call("echo", "say", {"text": "still here"})
    except MeshError as failure:
        return failure


async def test_a_frozen_agent_is_called_no_more_at_any_node_and_stops(mesh: Mesh) -> None:
    """Refused everywhere within 500 ms, running calls ended with the reason; lifted, it works again."""
    here, there = mesh.here.mesh, mesh.there.mesh
    numbers = here.stream("echo", "count", SLOWLY)
    assert await anext(numbers) == {"number": 1}
    began = monotonic()
    frozen = await there.freezes.freeze("agent:echo", "it runs wild")
    assert monotonic() - began < 2.0
    assert {node.node: (node.enforced, node.stopped, node.stopping) for node in frozen.nodes} == {
        mesh.here.node.id: (True, 1, 0),
        mesh.there.node.id: (True, 0, 0),
    }
    failure = await failure_of(numbers)
    assert isinstance(failure, Frozen)
    assert "it runs wild" in failure.message
    for client in (here, there):
        with pytest.raises(Frozen):
            await client.call("echo", "say", {"text": "hello"})
    assert (await here.freezes.freeze("agent:echo", "again")).freeze.id == frozen.freeze.id
    assert [one.freeze.id async for one in here.freezes.list()] == [frozen.freeze.id]
    lifted = await here.freezes.unfreeze(frozen.freeze.id)
    assert lifted.freeze.lifted_by == "person:dev"
    assert await here.call("echo", "say", {"text": "hello"}) == {"text": "hello"}
    assert [one async for one in here.freezes.list()] == []
    assert len([one async for one in here.freezes.list(include_lifted=True)]) == 1


async def test_new_calls_are_refused_within_500_ms_at_every_node(mesh: Mesh) -> None:
    """Also at the one that was not asked."""
    began = monotonic()
    await mesh.there.mesh.freezes.freeze("agent:echo", "enough", wait=0)
    late: list[float] = []

    async def called() -> None:
        while not late or late[-1] < 0.5:
            await mesh.here.mesh.call("echo", "say", {"text": "still"})
            late.append(monotonic() - began)

    with pytest.raises(Frozen):
        await called()


async def test_a_frozen_tree_ends_with_all_its_calls_and_others_go_on(mesh: Mesh) -> None:
    """Its root is named by its id; nothing is added to it, though its agent tries."""
    added: list[asyncio.Task[object]] = []
    kept = mesh.here.mesh.stream("echo", "count", SLOWLY)
    assert await anext(kept) == {"number": 1}
    relay = Agent("relay", version="1.0.0")

    @relay.capability
    async def pass_on() -> AsyncIterator[object]:
        try:
            async for number in mesh.here.mesh.stream("echo", "count", SLOWLY):
                yield number
        finally:  # beside it, for it may be told to stop once more meanwhile
            added.append(asyncio.create_task(tried(mesh.here.mesh)))

    async with attached(relay, mesh.here.node.grpc_address, key=mesh.here.key):
        root = fresh_uuid()
        numbers = mesh.here.mesh.stream("relay", "pass_on", call_id=root)
        await anext(numbers)
        frozen = await mesh.there.mesh.freezes.freeze(f"call:{root}", "wrong tree", wait=20)
        assert isinstance(await failure_of(numbers), Frozen)
        progress = {node.node: node for node in frozen.nodes}[mesh.here.node.id]
        assert (progress.stopped, progress.stopping) == (2, 0)
        (failure,) = await asyncio.gather(*added)
        assert isinstance(failure, Frozen | CallTokenInvalid)  # a call that was stopped has no children any more
    await kept.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_whoever_holds_everything_can_lift_their_own_freeze(mesh: Mesh) -> None:
    """Nobody locks themselves out; meanwhile nothing else is done in their name, and their watches end."""
    watch = mesh.here.mesh.cache.subscribe("news")
    await anext(watch)
    frozen = await mesh.here.mesh.freezes.freeze("person:dev", "stop me", wait=1)
    failure = await failure_of(watch)
    assert isinstance(failure, Frozen)
    for attempt in (mesh.here.mesh.call("echo", "say"), mesh.there.mesh.cache.get("k")):
        with pytest.raises(Frozen):
            await attempt
    await mesh.here.mesh.freezes.unfreeze(frozen.freeze.id)
    assert await mesh.here.mesh.call("echo", "say", {"text": "back"}) == {"text": "back"}


async def test_a_freeze_ends_by_itself_after_its_time(mesh: Mesh) -> None:
    """On every node."""
    await mesh.here.mesh.freezes.freeze("agent:echo", "a moment", ttl=1)
    await asyncio.sleep(1.5)
    for client in (mesh.here.mesh, mesh.there.mesh):
        assert await client.call("echo", "say", {"text": "hi"}) == {"text": "hi"}


async def test_wrong_freezes_are_refused_by_name(mesh: Mesh) -> None:
    """No reason, no target, an id that nobody gave."""
    freezes = mesh.here.mesh.freezes
    for what, reason in (("agent:echo", ""), ("agent:NO!", "why"), ("nonsense", "why"), ("call:1", "why")):
        with pytest.raises(InvalidInput):
            await freezes.freeze(what, reason)
    with pytest.raises(FreezeNotFound):
        await freezes.unfreeze(fresh_uuid())
