"""Streams with an idempotency key, over real gRPC and real stores, with two nodes of one mesh."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import IdempotencyKeyReused
from a2a_node.model.payload import Payload
from a2a_node.wire.payloads import from_payload
from tests.ample import AMPLE
from tests.integration.stream_house import (
    Here,
    Mesh,
    end_of,
    known,
    mesh_of_two,
    node_of,
    rest_of,
    words,
)

HOSTED = """
from tests.integration.test_stream_keys import counter
agent = counter("hosted")
"""
WORKED: Counter[str] = Counter()  # all agents here run in the test's own process


def counter(name: str) -> Agent:
    """An agent that counts, and how often it was asked to."""
    agent = Agent(name)

    @agent.capability(limit=AMPLE)
    async def count(n: int) -> AsyncIterator[int]:
        WORKED[name] += 1
        for number in range(1, n + 1):
            await asyncio.sleep(0.001)
            yield number

    return agent


@pytest.fixture
def hosted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a node finds an agent to host."""
    data_dir.mkdir()
    (data_dir / "hosted_counter.py").write_text(HOSTED)
    monkeypatch.syspath_prepend(data_dir)
    return "hosted_counter:agent"


@pytest.fixture
async def mesh(data_dir: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Mesh]:
    """Two nodes that wait long for readers to come back."""
    async with asyncio.timeout(60), mesh_of_two(data_dir, (postgres_url, redis_url), stream_grace=60) as opened:
        yield opened


async def test_a_repeat_joins_on_any_node(mesh: Mesh) -> None:
    """What was said before, then what follows, then the same again once it has ended; all as the first call."""
    asked = {"agent": "talker", "capability": "talk", "idempotency_key": "k"}
    first = mesh.here.stream(**asked)
    mesh.script.say("one", "two")
    assert await words(first, 2) == [(1, "one"), (2, "two")]
    second, third = mesh.there.stream(**asked), mesh.here.stream(**asked)
    for joined in (second, third):
        assert await words(joined, 2) == [(1, "one"), (2, "two")]
    first.cancel()  # the call goes on for the others
    mesh.script.say("three", None)
    for joined in (second, third):
        assert await words(joined, 1) == [(3, "three")]
        assert await end_of(joined) is None
    mesh.script.say("never said", None)
    for place in (mesh.there, mesh.here):
        late = place.stream(**asked)
        assert await words(late, 3) == [(1, "one"), (2, "two"), (3, "three")]
        assert await end_of(late) is None


async def test_another_request_under_the_key_is_refused_on_any_node(mesh: Mesh) -> None:
    """And nothing of the first one is told."""
    mesh.script.say(None)
    assert await end_of(mesh.here.stream(agent="talker", capability="talk", idempotency_key="k")) is None
    body = from_payload(Payload({"size": 1, "count": 1}))
    for place in (mesh.here, mesh.there):
        other = place.stream(agent="talker", capability="talk", idempotency_key="k", input=body)
        assert isinstance(await end_of(other), IdempotencyKeyReused)


@pytest.mark.parametrize("kind", ["hosted", "attached", "endpoint"])
async def test_of_both_sides_at_once_one_works(
    data_dir: Path, hosted: str, postgres_url: str, redis_url: str, kind: str
) -> None:
    """Whichever way the agent runs: ten clients at each of two nodes, and one agent run."""
    urls = (postgres_url, redis_url)
    WORKED.clear()
    async with (
        asyncio.timeout(60),
        node_of(data_dir / "here", urls, agent=(hosted,)) as here,
        node_of(data_dir / "there", urls, echo=False) as there,
        attached(counter("attached"), here.node.grpc_address, key=here.key),
        endpoint(counter("endpoint"), here.mesh),
    ):
        await known(there, kind)

        async def told(place: Here) -> tuple[str, list[object]]:
            """What a client hears, and as which call."""
            rpc = place.stream(agent=kind, idempotency_key="k", input=from_payload(Payload({"n": 50})))
            events = await rest_of(rpc)
            assert [event.sequence for event in events] == list(range(1, 51))
            return events[0].call_id, [event.output.SerializeToString() for event in events]

        heard = await asyncio.gather(*(told(place) for place in (here, there) * 10))
        assert len({call_id for call_id, _ in heard}) == 1
        assert all(outputs == heard[0][1] for _, outputs in heard)
        assert {kind: 1} == WORKED


async def test_a_client_repeats_by_itself_and_hears_each_word_once(mesh: Mesh) -> None:
    """A client of ours with a key; it leaves the call alone that another one has begun."""
    options = {"idempotency_key": "k"}
    first = mesh.here.mesh.stream("talker", "talk", **options)  # type: ignore[arg-type]
    second = mesh.there.mesh.stream("talker", "talk", **options)  # type: ignore[arg-type]
    mesh.script.say("one")
    assert [await anext(first), await anext(second)] == [{"result": "one"}] * 2
    await second.aclose()  # type: ignore[attr-defined]
    mesh.script.say("two", None)
    assert [word async for word in first] == [{"result": "two"}]
