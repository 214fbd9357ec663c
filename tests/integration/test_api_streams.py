"""Streams over HTTP: they resume, wait for slow readers, end with their readers, and say so when the node stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from a2a_node.agent import Agent
from a2a_node.attach import attached
from tests.integration.http_clients import Event, Exchange, Http
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]
PATIENCE = 30.0
COUNT = {"capability": "count", "input": {"struct": {"n": 5}}}
INVOKE = "/api/v1/agents/echo:invokeStream"


@asynccontextmanager
async def meeting(meet: Meet, **settings: object) -> AsyncIterator[tuple[Meeting, Http]]:
    """A node with its developer's key over HTTP."""
    async with meet(**settings) as one, asyncio.timeout(2 * PATIENCE):
        yield one, Http(one.node.http_address, one.dev_key)


async def all_of(exchange: Exchange) -> list[Event]:
    """The events of a stream that ends."""
    return [event async for event in exchange.events()]


def numbers(events: list[Event]) -> list[object]:
    """What an agent counted."""
    said = [event.data["output"]["struct"]["number"] for event in events if event.name == "message"]  # type: ignore[index]
    return [int(number) for number in said]


async def test_a_stream_of_a_call_resumes_after_its_last_event(meet: Meet) -> None:
    """On the same path with the same body, by the id of the last event alone; then it ends with `end`."""
    async with meeting(meet) as (_, http):
        async with http.asking("POST", INVOKE, COUNT) as (exchange, head):
            assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
            assert head.headers["a2a-api-version"] == "v1"
            events = await all_of(exchange)
        assert numbers(events) == [1, 2, 3, 4, 5]
        assert [event.id.rpartition(":")[2] for event in events[:-1]] == ["1", "2", "3", "4", "5"]
        assert (events[-1].name, events[-1].data) == ("end", {})
        async with http.asking("POST", INVOKE, COUNT, last_event_id=events[2].id) as (exchange, _):
            assert numbers(await all_of(exchange)) == [4, 5]
        for wrong in ("x", "1", "x:y", ":1"):
            refused = await http.ask("POST", INVOKE, COUNT, last_event_id=wrong)
            assert refused.status in (400, 404), wrong


async def test_watches_resume_by_what_they_are_told(meet: Meet) -> None:
    """A revision, a cursor, a message's id."""
    async with meeting(meet) as (_, http):
        topic = "/api/v1/namespaces/default/topics/kitchen"
        async with http.asking("GET", f"{topic}:watch") as (exchange, _), aclosing(exchange.events()) as events:
            assert "started" in (await anext(events)).data
            for text in ("one", "two", "three"):
                await http.ask("POST", f"{topic}:publish", {"payload": {"text": text}})
            assert [(await anext(events)).id for _ in range(3)] == ["1", "2", "3"]
        async with (
            http.asking("GET", f"{topic}:watch", last_event_id="1") as (exchange, _),
            aclosing(exchange.events()) as events,
        ):
            said = [event async for event in _until(events, "three")]
            assert [event.id for event in said if "message" in event.data] == ["2", "3"]
        async with http.asking("GET", "/api/v1/agents:watch") as (exchange, _), aclosing(exchange.events()) as events:
            current = [event async for event in _until(events, "current")][-1]
        await http.ask("POST", "/api/v1/agents", {"agent": WORKER, "address": "127.0.0.1:9"})
        async with (
            http.asking("GET", "/api/v1/agents:watch", last_event_id=current.id) as (exchange, _),
            aclosing(exchange.events()) as events,
        ):
            assert "worker" in str((await anext(events)).data)
        async with http.asking("GET", "/api/v1/events:watch") as (exchange, _), aclosing(exchange.events()) as events:
            assert (await anext(events)).id


WORKER = {"name": "worker", "capabilities": [{"name": "work"}]}


async def _until(events: AsyncIterator[Event], word: str) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if word in str(event.data):
            return


async def test_what_fails_before_the_first_event_has_a_status_and_what_fails_later_an_event(meet: Meet) -> None:
    """With the same Error."""
    agent = Agent("fickle")

    @agent.capability
    async def speak() -> AsyncIterator[str]:
        yield "once"
        raise ValueError("a secret of the agent's")

    async with meeting(meet) as (one, http), attached(agent, one.node.grpc_address, key=one.dev_key):
        for _ in range(8):  # of which the last ones are kept waiting
            assert (await Http(http.address, "wrong").ask("POST", INVOKE, COUNT)).status == 401
        refused = await http.ask("POST", "/api/v1/agents/nobody:invokeStream", {})
        assert (refused.status, refused.error["reason"]) == (404, "AGENT_NOT_FOUND")
        async with http.asking("POST", "/api/v1/agents/fickle:invokeStream", {}) as (exchange, _):
            first, last = await all_of(exchange)
        assert (first.name, last.name) == ("message", "failure")
        error = last.data["error"]
        assert isinstance(error, dict)
        assert (error["code"], error["reason"]) == ("INTERNAL", "AGENT_FAILED")
        assert "secret" not in str(last.data)


async def test_a_client_that_leaves_ends_its_call(meet: Meet) -> None:
    """Where the call is not resumable."""
    stopped, agent = asyncio.Event(), Agent("endless")

    @agent.capability
    async def speak() -> AsyncIterator[str]:
        try:
            yield "once"
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with meeting(meet) as (one, http), attached(agent, one.node.grpc_address, key=one.dev_key):
        body = {"resumable": False}
        async with http.asking("POST", "/api/v1/agents/endless:invokeStream", body) as (exchange, _):
            async for event in exchange.events():
                assert event.id == ""  # nobody can come back
                break
        async with asyncio.timeout(PATIENCE):
            await stopped.wait()


async def test_a_reader_that_does_not_read_holds_the_writer_up(meet: Meet) -> None:
    """Once what lies between them is full; nothing is lost when it reads on."""
    written, agent, many = [0], Agent("talker"), 2000

    @agent.capability
    async def speak() -> AsyncIterator[str]:
        for number in range(many):
            yield f"#{number} ".ljust(32 * 1024)
            written[0] += 1

    async with meeting(meet) as (one, http), attached(agent, one.node.grpc_address, key=one.dev_key):
        body = {"resumable": False}
        async with http.asking("POST", "/api/v1/agents/talker:invokeStream", body) as (exchange, _):
            await _stands_still(written)
            assert written[0] < many * 3 // 4
            events = await all_of(exchange)
        said = [str(event.data["output"]).partition("'#")[2].split()[0] for event in events[:-1]]
        assert said == [str(number) for number in range(many)]
        assert events[-1].name == "end"


async def _stands_still(written: list[int]) -> None:
    """Wait until a writer has begun, and writes nothing for a while any more: an event that does not come."""
    before = -1
    while written[0] == 0 or written[0] != before:
        before = written[0]
        await asyncio.sleep(1.0)


async def test_a_watch_ends_with_word_of_it_when_the_node_drains(meet: Meet) -> None:
    """And a call under way gets its time, and is cut off with the same word."""
    begun, agent = asyncio.Event(), Agent("endless")

    @agent.capability
    async def speak() -> AsyncIterator[str]:
        yield "once"
        begun.set()
        await asyncio.Event().wait()

    async with (
        meeting(meet, drain=0.5) as (one, http),
        attached(agent, one.node.grpc_address, key=one.dev_key),
        http.asking("GET", "/api/v1/agents:watch") as (watch, _),
        http.asking("POST", "/api/v1/agents/endless:invokeStream", {}) as (stream, _),
    ):
        watching, streaming = asyncio.create_task(all_of(watch)), asyncio.create_task(all_of(stream))
        await begun.wait()
        draining = asyncio.create_task(one.node.drained())
        for events in (await watching, await streaming):
            error = events[-1].data["error"]
            assert isinstance(error, dict)
            assert (events[-1].name, error["code"]) == ("failure", "UNAVAILABLE"), error
            assert error["reason"] == "NODE_DRAINING"
        await draining
        refused = await http.ask("POST", INVOKE, COUNT)
        assert (refused.status, refused.error["reason"]) == (503, "NODE_DRAINING")
        assert refused.headers["retry-after"] == "1"
