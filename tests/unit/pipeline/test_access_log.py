"""The access log: a line for each call, whole, in order, and never at the price of a call."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace

import pytest

from a2a_node.model.audit import AuditOutcome
from a2a_node.model.envelope import Envelope
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.model.tap import EndedCall
from a2a_node.model.trace import Trace
from a2a_node.pipeline.access_log import BATCH, ROW, WAITING, AccessLog, as_json, as_text
from a2a_node.pipeline.endings import Ending

SAID = EndedCall(
    1795737828.0625,
    0.00125,
    "/a2amesh.v1.AgentService/Invoke",
    "echo",
    "say",
    "person:ann",
    "person:ann",
    AuditOutcome.SUCCEEDED,
    "",
    "c-1",
    (),
    "ab" * 16,
    "10.0.0.7",
)
CHILD = replace(SAID, principal="agent:crowd", call_path=("crowd",), outcome=AuditOutcome.FAILED, reason="AGENT_LOST")
RPC = replace(SAID, method="/a2amesh.v1.CacheService/SetValue", agent="", capability="", call_id="", principal="")


END = Ending(
    SAID.ended_at,
    SAID.seconds,
    SAID.method,
    "echo",
    "say",
    Principal("person", "ann"),
    Envelope(60.0, 60.0, ("crowd", "echo"), authority=(Principal("person", "bob"), Principal("agent", "crowd"))),
    AuditOutcome.FAILED,
    "AGENT_LOST",
    "c-1",
    Trace(0xAB, 1, sampled=True),
    "ipv4:10.0.0.7:4711",
)


async def written(endings: list[Ending]) -> bytes:
    """What a pipe's reader gets of calls."""
    reader, writer = os.pipe()
    async with AccessLog.writing(as_json, writer) as log:
        for ending in endings:
            log.line(ending)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read()


def test_what_was_put_down_is_said_in_words() -> None:
    """Who called, in whose name, on which way; nobody, nothing and nowhere are empty."""
    told = END.told()
    assert (told.principal, told.user_id, told.call_path) == ("person:ann", "person:bob", ("crowd",))
    assert (told.trace_id, told.ip_address, told.reason) == (f"{0xAB:032x}", "10.0.0.7", "AGENT_LOST")
    bare = replace(END, principal=NOBODY, envelope=None, trace=None, peer="", method="/a\x1b[31m/b").told()
    assert (bare.principal, bare.user_id, bare.call_path, bare.trace_id, bare.ip_address) == ("", "", (), "", "")
    assert bare.method == "/a?[31m/b"


def test_machines_read_all_that_is_known() -> None:
    """Reason and path where there are any."""
    assert json.loads(as_json(SAID)) == {
        "timestamp": "2026-11-27T00:03:48.062500Z",
        "level": "info",
        "event": "call",
        "method": "/a2amesh.v1.AgentService/Invoke",
        "outcome": "succeeded",
        "ms": 1.25,
        "principal": "person:ann",
        "agent": "echo",
        "capability": "say",
        "call_id": "c-1",
        "trace_id": "ab" * 16,
        "ip_address": "10.0.0.7",
    }
    assert "ip_address" not in json.loads(as_json(replace(SAID, ip_address="")))
    line = json.loads(as_json(CHILD))
    assert (line["reason"], line["call_path"], line["user_id"]) == ("AGENT_LOST", ["crowd"], "person:ann")


def test_people_read_a_short_line() -> None:
    """Coloured on a terminal alone."""
    plain = as_text(coloured=False)
    assert plain(SAID) == b"00:03:48.062 call echo.say succeeded 1.2 ms by person:ann call=c-1\n"
    assert plain(CHILD) == b"00:03:48.062 call echo.say AGENT_LOST 1.2 ms by agent:crowd path=crowd call=c-1\n"
    assert plain(RPC) == b"00:03:48.062 call CacheService/SetValue succeeded 1.2 ms by nobody\n"
    assert b"\x1b[31mAGENT_LOST\x1b[0m" in as_text(coloured=True)(CHILD)


@pytest.mark.parametrize("count", [1, BATCH, BATCH + ROW + 5])
async def test_a_last_line_waits_for_no_other_call(count: int) -> None:
    """What is left of a burst is written soon, though nothing follows it."""
    reader, writer = os.pipe()
    read = asyncio.StreamReader()
    pipe = os.fdopen(reader, "rb")
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(read), pipe)
    async with AccessLog.writing(lambda _: b"x\n", writer) as log, asyncio.timeout(30):
        for _ in range(count):
            log.line(END)
        assert await read.readexactly(2 * count) == b"x\n" * count
    transport.close()
    os.close(writer)


async def test_every_line_is_written_before_the_end() -> None:
    """Whole batches and what is left of one, in order."""
    endings = [replace(END, call_id=str(number)) for number in range(BATCH + 3)]
    lines = (await written(endings)).splitlines()
    assert [json.loads(line)["call_id"] for line in lines] == [ending.call_id for ending in endings]


async def test_few_lines_are_made_in_a_row() -> None:
    """Between them the loop has its turn, which stands still meanwhile."""
    made, turns = list[EndedCall](), list[int]()

    def form(call: EndedCall) -> bytes:
        made.append(call)
        return b"\n"

    reader, writer = os.pipe()
    async with AccessLog.writing(form, writer) as log:
        for _ in range(3 * ROW + 1):
            log.line(END)
        while len(made) < 3 * ROW:
            await asyncio.sleep(0)
            turns.append(len(made))
    assert turns == [ROW, 2 * ROW, 3 * ROW]
    os.close(reader)
    os.close(writer)


async def test_who_reads_too_slowly_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into a bounded memory is dropped and counted; the end does not wait for it either."""
    monkeypatch.setattr("a2a_node.pipeline.access_log.PARTING", 0.01)
    reader, writer = os.pipe()
    async with AccessLog.writing(as_json, writer) as log:
        for _ in range(BATCH * WAITING * 2):
            log.line(END)
        assert log.dropped > 0
    os.close(reader)  # the thread's write fails now, and it ends
    os.close(writer)
