"""MeshClient over real gRPC: every method once, and failures as their own classes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from a2a_node.agent import Agent, AgentRefused, Context, Payload
from a2a_node.attach import attached
from a2a_node.client import AgentChange, MeshClient, Missed, Published, Started
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.call import CallStatus
from a2a_node.model.errors import (
    AgentNotFound,
    CallCancelled,
    CallNotFound,
    DeadlineExceeded,
    InvalidInput,
    LeaseEnded,
    MeshError,
    NodeUnreachable,
    SessionExists,
    SessionNotFound,
    Unauthenticated,
    ValueNotNumber,
    VersionConflict,
)
from a2a_node.model.nodes import NodeStatus
from a2a_node.testing import line_to
from tests.integration.attach_house import KEY, NODE, House, client, house

PATIENCE = 10.0
worker = Agent("worker")


@worker.capability
async def echo(payload: Payload) -> Payload:
    """Answer with what was said."""
    return payload


@worker.capability
async def wait() -> None:
    """Wait for ever."""
    await asyncio.Event().wait()


@worker.capability
async def count(to: int) -> AsyncIterator[int]:
    """Count from 1, then wait for ever."""
    for number in range(1, to + 1):
        yield number
    await asyncio.Event().wait()


@worker.capability
async def squares(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    """The square of every number; refuses those below zero."""
    async for number in numbers:
        if number < 0:
            raise AgentRefused("too small", code="OUT_OF_RANGE", reason="TOO_SMALL")
        yield number * number


@dataclass
class Here:
    """A node, an agent that is attached to it, and a client."""

    house: House
    mesh: MeshClient
    stack: AsyncExitStack


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    """All of it, for one test."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(house())
        await stack.enter_async_context(attached(worker, opened.address, key=KEY))
        yield Here(opened, await stack.enter_async_context(client(opened)), stack)


async def refused(work: Awaitable[object]) -> MeshError:
    """The failure of something that must fail."""
    with pytest.raises(MeshError) as failure:
        async with asyncio.timeout(PATIENCE):
            await work
    return failure.value


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ({"text": "hällo", "n": 2**60}, {"text": "hällo", "n": 2**60}),
        (None, {}),
        ([1, 2.5, None], [1, 2.5, None]),
        ("just text", "just text"),
        (b"\x00\xff", b"\x00\xff"),
        (Payload({"a": {"b": [1, "x", True, None]}}), {"a": {"b": [1, "x", True, None]}}),
    ],
)
async def test_what_is_said_comes_back(here: Here, said: object, heard: object) -> None:
    """JSON, text, bytes and structs, each as itself."""
    assert await here.mesh.call("worker", "echo", said) == heard


async def test_failures_arrive_as_their_own_class(here: Here) -> None:
    """With the variables that programs read."""
    failure = await refused(here.mesh.call("nobody"))
    assert isinstance(failure, AgentNotFound)
    assert failure.variables == {"agent": "nobody"}
    failure = await refused(here.mesh.call("NO NAME"))
    assert isinstance(failure, InvalidInput)
    assert failure.violations[0][0] == "agent"


async def test_what_json_cannot_say_never_leaves(here: Here) -> None:
    """The field is named before anything is sent."""
    failure = await refused(here.mesh.call("worker", "echo", {"x": object()}))
    assert isinstance(failure, InvalidInput)
    assert failure.violations == (("input", "is no JSON: Type is not JSON serializable: object"),)


async def test_a_call_ends_in_its_time(here: Here) -> None:
    """One that has none left is not made at all."""
    assert isinstance(await refused(here.mesh.call("worker", "wait", timeout=0.05)), DeadlineExceeded)
    assert isinstance(await refused(here.mesh.call("worker", "wait", timeout=0)), DeadlineExceeded)


async def test_a_call_can_be_looked_up_and_cancelled_from_elsewhere(here: Here) -> None:
    """By the id that the caller chose."""
    call_id = str(uuid4())
    outputs = here.mesh.stream("worker", "count", {"to": 1}, call_id=call_id)
    assert await anext(outputs) == {"result": 1}
    record = await here.mesh.get_call(call_id)
    assert (record.status, record.agent, record.path) == (CallStatus.RUNNING, "worker", ("worker",))
    record = await here.mesh.cancel(call_id, "enough")
    assert record.status is CallStatus.CANCELLED
    failure = await refused(anext(outputs))
    assert isinstance(failure, CallCancelled)
    assert failure.variables["why"] == "enough"
    assert isinstance((await here.mesh.get_call(call_id)).error, CallCancelled)
    assert isinstance(await refused(here.mesh.get_call(str(uuid4()))), CallNotFound)


async def test_a_client_inside_an_agents_work_continues_its_call(here: Here) -> None:
    """Its path, and never longer than it lasts; whatever client it uses."""
    relay, contexts = Agent("relay"), asyncio.Queue[Context]()

    @relay.capability
    async def pass_on(agent: str) -> object:
        return await here.mesh.call(agent, "pass_on" if agent == "relay" else "keep", {}, timeout=60.0)

    @relay.capability
    async def keep(context: Context) -> None:
        contexts.put_nowait(context)

    other = Agent("other")
    other.capability(keep)
    await here.stack.enter_async_context(attached(relay, here.house.address, key=KEY))
    await here.stack.enter_async_context(attached(other, here.house.address, key=KEY))
    await here.mesh.call("relay", "pass_on", {"agent": "other"}, timeout=5.0)
    context = await contexts.get()
    assert context.path == ("relay", "other")
    assert context.time_left() < 5.1
    failure = await refused(here.mesh.call("relay", "pass_on", {"agent": "relay"}))
    assert failure.reason == "CALL_LOOP"


async def test_a_stream_that_is_closed_cancels_its_call(here: Here) -> None:
    """Nobody works for a reader who has left."""
    outputs = here.mesh.stream("worker", "count", {"to": 3})
    async with aclosing(outputs):  # type: ignore[type-var]  # it is a generator
        assert await anext(outputs) == {"result": 1}
        assert here.house.calls.running() == 1
    async with asyncio.timeout(PATIENCE):
        await here.house.calls.idle()


async def test_a_conversation_says_why_it_ended_however_much_is_still_written(here: Here) -> None:
    """The agent's refusal is not lost among inputs that come too late."""

    async def numbers() -> AsyncIterator[object]:
        for number in range(100_000):
            yield {"item": -1 if number == 30 else number}

    for _ in range(20):
        with pytest.raises(MeshError) as failure:
            _ = [square async for square in here.mesh.converse("worker", "squares", numbers())]
        assert (failure.value.code, failure.value.reason) == ("OUT_OF_RANGE", "TOO_SMALL")


async def test_inputs_that_fail_end_the_conversation_with_their_own_error(here: Here) -> None:
    """And the agent's work with it."""

    async def numbers() -> AsyncIterator[object]:
        yield {"item": 2}
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        _ = [square async for square in here.mesh.converse("worker", "squares", numbers())]
    async with asyncio.timeout(PATIENCE):
        await here.house.calls.idle()


async def test_a_conversation_that_is_cancelled_ends_both_sides(here: Here) -> None:
    """Whoever was about to write stops as well."""
    stopped = asyncio.Event()

    async def numbers() -> AsyncIterator[object]:
        yield {"item": 2}
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    outputs = here.mesh.converse("worker", "squares", numbers())
    assert await anext(outputs) == {"result": 4}
    reading = asyncio.ensure_future(anext(outputs))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert stopped.is_set()
    async with asyncio.timeout(PATIENCE):
        await here.house.calls.idle()


async def test_a_node_that_is_away_is_named_and_found_again_once_it_is_back() -> None:
    """The same client, without being made anew."""
    async with line_to("127.0.0.1", 1) as line:
        port = line.port
    async with MeshClient(f"127.0.0.1:{port}", KEY) as mesh:
        failure = await refused(mesh.nodes.get())
        assert isinstance(failure, NodeUnreachable)
        assert failure.variables["address"] == f"127.0.0.1:{port}"
        async with house(port), asyncio.timeout(PATIENCE):
            while True:
                try:
                    assert (await mesh.nodes.get()).node.id == NODE
                    break
                except NodeUnreachable:
                    await asyncio.sleep(0.02)


@pytest.mark.parametrize("used", [True, False])
async def test_a_client_that_is_closed_says_so(here: Here, *, used: bool) -> None:
    """Whether it had asked before or not; nothing is dialled any more."""
    async with MeshClient(here.house.address, KEY) as mesh:
        if used:
            assert await mesh.call("worker", "echo", {"a": 1}) == {"a": 1}
    with pytest.raises(RuntimeError, match="this client is closed"):
        await mesh.call("worker", "echo", {"a": 1})
    with pytest.raises(RuntimeError, match="this client is closed"):
        _ = [output async for output in mesh.stream("worker", "count", {"to": 1})]


async def test_the_key_of_this_machine_is_found(here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the data directory or the environment; without one the node says what is missing."""
    monkeypatch.delenv("A2A_KEY", raising=False)
    monkeypatch.setenv("A2A_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("A2A_ADDRESS", here.house.address)
    async with MeshClient() as mesh:
        assert isinstance(await refused(mesh.nodes.get()), Unauthenticated)
    (tmp_path / "dev.key").write_text(f"{KEY}\n")
    async with MeshClient() as mesh:
        assert (await mesh.nodes.get()).node.id == NODE
    monkeypatch.setenv("A2A_KEY", "wrong")
    async with MeshClient() as mesh:
        assert isinstance(await refused(mesh.nodes.get()), Unauthenticated)


async def test_agents_are_registered_found_changed_and_removed(here: Here) -> None:
    """An endpoint from its first day to its last."""
    agents = here.mesh.agents
    descriptor = AgentDescriptor("far", "1.2.3", "far away", tags=("x",), capabilities=(AgentCapability("say"),))
    entry, instance = await agents.register(descriptor, "127.0.0.1:1", lease=60.0)
    assert (entry.agent.descriptor, entry.agent.owner) == (descriptor, "person:dev")
    assert (instance.address, instance.version) == ("127.0.0.1:1", "1.2.3")
    renewed = await agents.renew(instance.id)
    assert renewed.lease_until is not None
    changed = await agents.update("far", enabled=False, config={"a": 1}, tags=["y", "z"], description="nearer")
    assert (changed.agent.enabled, changed.agent.descriptor.config) == (False, {"a": 1})
    assert (changed.agent.descriptor.tags, changed.agent.descriptor.description) == (("y", "z"), "nearer")
    assert [known.agent.name async for known in agents.list()] == ["far", "worker"]
    assert [known.agent.name async for known in agents.list(tag="y", enabled=False)] == ["far"]
    assert (await agents.get("far")).instances == (renewed,)
    assert await agents.deregister(instance_id=instance.id) == 1
    assert await agents.deregister(agent="far") == 0
    assert isinstance(await refused(agents.get("far")), AgentNotFound)
    assert isinstance(await refused(agents.renew(instance.id)), LeaseEnded | MeshError)


async def test_lists_go_on_from_page_to_page(here: Here) -> None:
    """However many there are."""
    names = [f"a{number:03}" for number in range(120)]
    for name in names:
        await here.mesh.agents.register(AgentDescriptor(name, capabilities=(AgentCapability("x"),)), "127.0.0.1:1")
        await here.mesh.sessions.create(session_id=name)
    assert [entry.agent.name async for entry in here.mesh.agents.list()] == [*names, "worker"]
    assert sorted([session.id async for session in here.mesh.sessions.list()]) == names


async def test_agents_are_watched(here: Here) -> None:
    """First what is there, then what changes, then from where one left off."""

    async def until(kind: str, after: int = 0) -> list[AgentChange]:
        changes = []
        async with aclosing(here.mesh.agents.watch(after)) as watch, asyncio.timeout(PATIENCE):  # type: ignore[type-var]
            async for change in watch:
                changes.append(change)
                if change.kind == kind:
                    break
        return changes

    changes = await until("current")
    assert [(change.kind, change.name) for change in changes] == [("agent", "worker"), ("current", "")]
    await here.mesh.agents.register(AgentDescriptor("far", capabilities=(AgentCapability("x"),)), "127.0.0.1:1")
    await here.mesh.agents.deregister(agent="far")
    later = await until("removed", changes[-1].revision)
    assert later[-1].name == "far"
    assert (await until("reset", 10**9))[0].kind == "reset"


async def test_nodes_are_listed_and_drained(here: Here) -> None:
    """With how many instances are reached through each."""
    [entry] = [entry async for entry in here.mesh.nodes.list()]
    assert (entry.node.id, entry.node.status, entry.instance_count) == (NODE, NodeStatus.ALIVE, 1)
    assert (await here.mesh.nodes.drain()).node.status is NodeStatus.DRAINING
    assert [entry async for entry in here.mesh.nodes.list(status=NodeStatus.ALIVE)] == []


async def test_sessions_keep_state_and_refuse_lost_updates(here: Here) -> None:
    """Versions tell who was faster."""
    sessions = here.mesh.sessions
    made = await sessions.create({"n": 1}, user_id="ada", agent_id="worker", ttl=60.0, session_id="s1")
    assert (made.id, made.version, made.ttl, made.data) == ("s1", 1, 60.0, {"n": 1})
    assert isinstance(await refused(sessions.create(session_id="s1")), SessionExists)
    merged = await sessions.update("s1", {"m": 2}, expected=1, merge=True)
    assert (merged.version, merged.data) == (2, {"n": 1, "m": 2})
    failure = await refused(sessions.update("s1", {}, expected=1))
    assert isinstance(failure, VersionConflict)
    assert failure.variables == {"expected": "1", "actual": "2"}
    forced = await sessions.update("s1", {"z": 0}, expected=None)
    assert (forced.version, (await sessions.get("s1", peek=True)).data) == (3, {"z": 0})
    assert (await sessions.touch("s1", ttl=120.0)).ttl == 120.0
    assert [session.id async for session in sessions.list(user_id="ada")] == ["s1"]
    assert [session.id async for session in sessions.list(user_id="eve")] == []
    assert (await sessions.delete("s1"), await sessions.delete("s1")) == (True, False)
    assert isinstance(await refused(sessions.get("s1")), SessionNotFound)


async def test_values_are_kept_counted_and_forgotten(here: Here) -> None:
    """Each namespace for itself."""
    cache = here.mesh.cache
    assert await cache.get("k") is None
    assert await cache.set("k", {"a": [1]}, ttl=60.0)
    assert not await cache.set("k", "other", only_if_absent=True)
    found = await cache.get("k")
    assert found is not None
    assert found.value == {"a": [1]}
    assert 59 < found.ttl <= 60
    assert await cache.within("elsewhere").get("k") is None
    assert [await cache.increment("n", 5), await cache.increment("n", -2), await cache.increment("n")] == [5, 3, 4]
    assert isinstance(await refused(cache.increment("k")), ValueNotNumber)
    assert (await cache.delete("k"), await cache.delete("k")) == (True, False)


async def test_messages_reach_those_who_follow_a_topic(here: Here) -> None:
    """From now on, or from where one left off."""
    cache = here.mesh.cache
    heard: list[object] = []
    async with aclosing(cache.subscribe("news")) as news, asyncio.timeout(PATIENCE):  # type: ignore[type-var]
        async for event in news:
            if isinstance(event, Started):
                assert [await cache.publish("news", text) for text in ("a", "b")] == [1, 2]
            elif isinstance(event, Published):
                heard.append((event.id, event.value))
            if len(heard) == 2:
                break
    assert heard == [(1, "a"), (2, "b")]
    async with aclosing(cache.subscribe("news", after_id=1)) as news, asyncio.timeout(PATIENCE):  # type: ignore[type-var]
        events = [await anext(news), await anext(news)]
    assert isinstance(events[1], Published)
    assert events[1].value == "b"
    for number in range(1003):
        await cache.publish("much", number)
    async with aclosing(cache.subscribe("much", after_id=1)) as news, asyncio.timeout(PATIENCE):  # type: ignore[type-var]
        events = [await anext(news), await anext(news)]
    assert events[1] == Missed(2, 3)
