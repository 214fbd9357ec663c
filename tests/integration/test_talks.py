"""RPCs whose clients stream, as WebSockets: by a client that others wrote, on real nodes and stores."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from a2a_node.agent import Agent
from tests.ample import AMPLE
from tests.integration.http_clients import Http
from tests.integration.peer_agents import PATIENCE, Work, by_stream, known, worker
from tests.integration.people import Meet, meet
from tests.integration.socket_clients import Said, ended, error_of, fault, heard, opened, say

__all__ = ["meet"]


async def test_a_conversation_goes_through_two_nodes_and_ends_when_its_input_does(meet: Meet) -> None:
    """An empty message says that no more comes; what the agent still says is heard, and the socket ends well."""
    async with meet("one") as one, meet("two") as two, by_stream(worker("far", Work()), two):
        await known(one, "far")
        async with opened(one, "far:converse") as socket:
            assert socket.response is not None
            assert socket.response.headers["a2a-api-version"] == "v1"
            await say(socket, open={"capability": "talk"})
            for number in range(50):
                await say(socket, input={"struct": {"text": str(number)}})
            answers = [await heard(socket) for _ in range(50)]
            assert [answer["output"] for answer in answers] == [
                {"struct": {"heard": str(number)}, "media_type": ""} for number in range(50)
            ]
            assert [answer["sequence"] for answer in answers] == [str(number) for number in range(1, 51)]
            await say(socket, input={"struct": {"text": "the last one"}})
            await socket.send("")
            (last,), code, _ = await ended(socket)
            assert "the last one" in str(last["output"])
            assert code == 1000
            record = await Http(one.node.http_address, one.dev_key).ask("GET", f"/api/v1/calls/{last['call_id']}")
            assert cast("Said", record.json()["call"])["status"] == "CALL_STATUS_SUCCEEDED"


async def test_an_opening_may_say_nothing_but_what_it_adds_to_the_path(meet: Meet) -> None:
    """The name of the agent stands in the path; another one beside it is refused."""
    agent = Agent("adder")

    @agent.capability
    async def add(numbers: AsyncIterator[dict[str, int]]) -> AsyncIterator[int]:
        async for number in numbers:
            yield number["n"] + 1

    async with meet() as one, by_stream(agent, one):
        openings: tuple[Said, ...] = ({}, {"open": {}}, {"open": {"agent": "adder"}})
        for opening in openings:
            async with opened(one, "adder:converse") as socket:
                await say(socket, **opening)
                for number in (1, 2, 3):
                    await say(socket, input={"struct": {"n": number}})
                await socket.send("")
                said, code, _ = await ended(socket)
                assert code == 1000, said
                assert len(said) == 3
        async with opened(one, "adder:converse") as socket:
            await say(socket, open={"agent": "another"})
            said, code, _ = await ended(socket)
            assert (fault(said), code) == ("open.agent", 4400)


WRONG: tuple[tuple[tuple[str | bytes, ...], str], ...] = (
    (("no json",), "message"),
    (("[]",), "message"),
    (("[" * 100_000,), "message"),
    ((b"{}",), "message"),
    (("",), "open"),
    (('{"input": {"text": "first"}}',), "open"),
    (('{"opening": {}}',), "opening"),
    (('{"open": {"capability": 7}}',), "open.capability"),
    (('{"open": {"budget": {"calls": "many"}}}',), "open.budget.calls"),
    (('{"open": null}',), "open"),
    (('{"open": {}, "input": {"text": "x"}}',), "frame"),
    (("{}", '{"open": {}}'), "open"),
    (("{}", "{}"), "open"),
    (("{}", '{"input": {"data": "not base64!"}}'), "input.data"),
    (("{}", "", '{"input": {"text": "late"}}'), "message"),
)


async def test_a_message_that_is_none_ends_it_by_name(meet: Meet) -> None:
    """With the field at fault, in the one shape of errors; the agent does not outlive it."""
    stopped, agent = asyncio.Event(), Agent("listener")

    @agent.capability(limit=AMPLE)
    async def listen(words: AsyncIterator[dict[str, str]]) -> AsyncIterator[str]:
        try:
            async for word in words:
                yield str(word)
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with meet() as one, by_stream(agent, one):
        for texts, field in WRONG:
            async with opened(one, "listener:converse") as socket:
                for text in texts:
                    await socket.send(text)
                said, code, reason = await ended(socket)
                assert fault(said) == field, (texts, said)
                assert (code, reason) == (4400, "INVALID_INPUT")
        async with opened(one, "listener:converse", a2a_timeout="60") as socket:
            stopped.clear()
            await say(socket)
            await say(socket, input={"struct": {"text": "hello"}})
            await heard(socket)
            await socket.send("")
            await socket.send("more")
            assert fault((await ended(socket))[0]) == "message"
            async with asyncio.timeout(PATIENCE):
                await stopped.wait()


async def test_who_is_not_known_opens_none(meet: Meet) -> None:
    """Nor a page of strangers, nor too many; whoever may not call this agent is told so on the socket."""
    async with meet(http_cors_origins="https://ops.example", http_websockets=3) as one:
        place = f"ws://{one.node.http_address}/api/v1/agents/echo:converse"
        refused: list[tuple[int, str]] = []
        for more in (
            {},
            {"additional_headers": {"Authorization": "Bearer wrong"}},
            {"subprotocols": [Subprotocol("a2amesh.v1"), Subprotocol("a2amesh.bearer.wrong")]},
            {"additional_headers": {"X-API-Key": one.dev_key}, "origin": Origin("https://evil.example")},
            {"additional_headers": {"X-API-Key": one.dev_key, "a2a-timeout": "soon"}},
        ):
            with pytest.raises(InvalidStatus) as failure:
                await connect(place, **more)
            answer = failure.value.response
            refused.append((answer.status_code, json.loads(answer.body)["error"]["reason"]))
        unknown = (401, "UNAUTHENTICATED")
        assert refused == [unknown, unknown, unknown, (403, "ORIGIN_REFUSED"), (400, "INVALID_INPUT")]
        async with opened(one, "echo:converse", "key-of-ann") as socket:
            await say(socket)
            said, code, _ = await ended(socket)
            assert (error_of(said)["reason"], code) == ("PERMISSION_DENIED", 4403)
        async with opened(one, "echo:converse"), opened(one, "echo:converse"), opened(one, "echo:converse"):
            figure = (await Http(one.node.http_address, "").ask("GET", "/metrics")).body
            assert b"\na2a_open_websockets 3" in figure
            with pytest.raises(InvalidStatus) as failure:
                await connect(place, additional_headers={"X-API-Key": one.dev_key})
            assert failure.value.response.status_code == 429


async def test_a_browser_says_its_key_and_its_patience_in_subprotocols(meet: Meet) -> None:
    """From a page that may ask; the deadline is the call's, and its end is told."""
    async with meet(http_cors_origins="https://ops.example") as one, by_stream(worker("slow", Work()), one):
        place = f"ws://{one.node.http_address}/api/v1/agents/slow:converse"
        spoken = ["a2amesh.v1", f"a2amesh.bearer.{one.dev_key}", "a2amesh.timeout.0.3"]
        offers = [Subprotocol(text) for text in spoken]
        async with connect(place, subprotocols=offers, origin=Origin("https://ops.example")) as socket:
            assert socket.subprotocol == "a2amesh.v1", "the key is not said back"
            await say(socket, open={"capability": "talk"})
            said, code, _ = await ended(socket)
            assert (error_of(said)["reason"], code) == ("DEADLINE_EXCEEDED", 4504)


async def test_a_path_without_a_socket_and_a_socket_without_an_upgrade(meet: Meet) -> None:
    """Each is told what there is; what is asked of a socket by HTTP is told how to ask, once it is known who does."""
    async with meet() as one:
        http, way = Http(one.node.http_address, one.dev_key), "/api/v1/agents/echo:converse"
        plain = await http.ask("GET", way)
        assert (plain.status, plain.error["reason"]) == (426, "UPGRADE_REQUIRED")
        assert (plain.headers["upgrade"], plain.headers["connection"]) == ("websocket", "upgrade")
        assert "WebSocket" in str(plain.error["message"])
        assert (await Http(one.node.http_address, "").ask("GET", way)).status == 401
        other = await http.ask("POST", way, {})
        assert (other.status, other.headers["allow"]) == (405, "GET")
        for path in ("echo", "echo:invoke", "echo:sing"):
            with pytest.raises(InvalidStatus) as refused:
                async with opened(one, path):
                    pass
            assert refused.value.response.status_code == 404


async def test_who_leaves_in_the_middle_ends_the_call(meet: Meet) -> None:
    """By a close or without one, on whichever node its agent works, with messages that nobody has taken yet."""
    work, agent = Work(), Agent("deaf")

    @agent.capability(limit=AMPLE)
    async def listen(words: AsyncIterator[dict[str, str]]) -> AsyncIterator[str]:
        async for _ in words:
            work.started.set()
            try:
                await asyncio.Event().wait()
            finally:
                work.stopped.set()
            yield ""

    async with meet("one") as one, meet("two") as two, by_stream(agent, two):
        await known(one, "deaf")
        for leaves in ("with a close", "without one"):
            work.started.clear()
            work.stopped.clear()
            async with opened(one, "deaf:converse") as socket:
                await say(socket)
                for number in range(200):
                    await say(socket, input={"struct": {"text": str(number)}})
                await work.started.wait()
                if leaves == "without one":
                    socket.transport.abort()
            async with asyncio.timeout(PATIENCE):
                await work.stopped.wait()


async def test_an_agent_that_is_slow_is_not_sent_more_than_it_takes(meet: Meet) -> None:
    """A client that says more than that is held up, not cut off, and all that it says arrives."""
    gate, agent, taken = asyncio.Event(), Agent("slow"), [0]

    @agent.capability(limit=AMPLE)
    async def listen(words: AsyncIterator[dict[str, str]]) -> AsyncIterator[int]:
        async for word in words:
            await gate.wait()
            taken[0] += len(word["text"])
        yield taken[0]

    async with meet() as one, by_stream(agent, one), opened(one, "slow:converse") as socket:
        await say(socket)
        sent, text = [0], "x" * 100_000

        async def send() -> None:
            for _ in range(500):
                await say(socket, input={"struct": {"text": text}})
                sent[0] += 1
            await socket.send("")

        sending = asyncio.create_task(send())
        before = -1
        while sent[0] == 0 or sent[0] != before:  # an event that does not come
            before = sent[0]
            await asyncio.sleep(1.0)
        assert before < 250, "50 MB do not wait in the node"
        gate.set()
        await sending
        said, code, _ = await ended(socket)
        assert code == 1000, said
        assert cast("Said", said[0]["output"])["struct"] == {"result": 50_000_000}, said


async def test_an_agent_waits_for_a_client_that_does_not_read(meet: Meet) -> None:
    """Once what lies between them is full; who reads on gets all of it."""
    written, agent, many = [0], Agent("talker"), 2000

    @agent.capability(limit=AMPLE)
    async def speak(words: AsyncIterator[dict[str, str]]) -> AsyncIterator[str]:
        async for _ in words:
            for number in range(many):
                yield f"#{number} ".ljust(32 * 1024)
                written[0] += 1

    async with meet() as one, by_stream(agent, one), opened(one, "talker:converse") as socket:
        await say(socket)
        await say(socket, input={"struct": {"text": "go"}})
        before = -1
        while written[0] == 0 or written[0] != before:  # as above
            before = written[0]
            await asyncio.sleep(1.0)
        assert written[0] < many * 3 // 4
        await socket.send("")
        said, code, _ = await ended(socket)
        assert (len(said), code) == (many, 1000)


RULE = """\
[[rule]]
name = "short-talks"
about = "messages of echo are short"
paths = ["/api/v1/agents/echo:*"]
max_body_bytes = 1000
"""


async def test_each_message_is_inspected(meet: Meet, tmp_path: Path) -> None:
    """A rule of bodies is one of messages, too; what it keeps out is audited."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULE, encoding="utf-8")
    async with meet(http_rules=rules) as one:
        async with opened(one, "echo:converse") as socket:
            await say(socket, open={"agent": "x" * 1000})
            said, code, _ = await ended(socket)
            assert (error_of(said)["reason"], code) == ("BODY_TOO_LARGE", 4413)
        http = Http(one.node.http_address, one.dev_key)
        async with asyncio.timeout(PATIENCE):
            events = ""
            while "rule:short-talks" not in events:
                events = (await http.ask("GET", EVENTS)).body.decode()


EVENTS = "/api/v1/events?filter.action=http:request"


async def test_a_message_may_be_as_large_as_a_body_and_no_larger(meet: Meet) -> None:
    """Whoever sends more is told how much it may, however it cuts that into frames, and ends with a code for it."""
    agent = Agent("meter")

    @agent.capability(limit=AMPLE)
    async def measure(words: AsyncIterator[dict[str, str]]) -> AsyncIterator[int]:
        async for word in words:
            yield len(word["text"])

    async with meet(payload_limit=1 << 20) as one, by_stream(agent, one):
        limit = (1 << 20) // 3 * 4 + 65536
        async with opened(one, "meter:converse") as socket:
            await say(socket)
            await say(socket, input={"struct": {"text": "x" * 1_000_000}})
            assert "1000000" in str((await heard(socket))["output"])
            await say(socket, input={"struct": {"text": "x" * (1 << 20)}})
            said, code, _ = await ended(socket)
            assert (error_of(said)["reason"], code) == ("PAYLOAD_TOO_LARGE", 4413)
        for cut in (False, True):
            async with opened(one, "meter:converse") as socket:
                await say(socket)
                text = json.dumps({"input": {"struct": {"text": "x" * (20 << 20)}}})
                parts = [text[place : place + 9999] for place in range(0, len(text), 9999)]
                with suppress(ConnectionClosed):  # it may be told before it has said all
                    await socket.send(parts if cut else text)
                said, code, _ = await ended(socket)
                assert (error_of(said)["reason"], code) == ("BODY_TOO_LARGE", 1009)
                assert f"{limit} bytes" in str(error_of(said)["message"])


async def test_a_conversation_of_a_node_that_stops_is_cut_off_with_word_of_it(meet: Meet) -> None:
    """Once its time is up; a new one is sent elsewhere at once."""
    async with meet(drain=0.5) as one, by_stream(worker("here", Work()), one):
        async with opened(one, "here:converse") as socket:
            await say(socket, open={"capability": "talk"})
            await say(socket, input={"struct": {"text": "hello"}})
            await heard(socket)
            draining = asyncio.create_task(one.node.drained())
            said, code, reason = await ended(socket)
            assert (error_of(said)["reason"], code, reason) == ("NODE_DRAINING", 1012, "NODE_DRAINING")
        await draining
        async with opened(one, "here:converse") as socket:
            await say(socket, open={"capability": "talk"})
            assert (await ended(socket))[1] == 1012


async def test_a_conversation_is_audited_and_counted_like_any_call(meet: Meet) -> None:
    """A refused one with where it came from and what asked; both by their method."""
    async with meet() as one:
        async with opened(one, "echo:converse", "key-of-ann", user_agent="notebook/1") as socket:
            await say(socket)
            await ended(socket)
        http = Http(one.node.http_address, one.dev_key)
        async with asyncio.timeout(PATIENCE):
            events: list[Said] = []
            while not events:
                found = await http.ask("GET", "/api/v1/events?filter.action=agent:invoke&filter.user_id=person:ann")
                events = cast("list[Said]", found.json().get("events", []))
        assert (events[0]["ip_address"], events[0]["user_agent"]) == ("127.0.0.1", "notebook/1")
        assert b"AgentService/Converse" in (await http.ask("GET", "/metrics")).body


async def test_a_client_in_no_hurry_to_open_is_told_so(meet: Meet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets as long as a client of gRPC."""
    monkeypatch.setattr("a2a_node.web.rpcs.OPENING_SECONDS", 0.2)
    async with meet() as one, opened(one, "echo:converse") as socket:
        said, code, _ = await ended(socket)
        assert (fault(said), code) == ("open", 4400)
