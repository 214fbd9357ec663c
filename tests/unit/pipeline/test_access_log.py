"""The access log: a line for each call, whole, in order, and never at the price of a call."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from a2a_node.model.audit import AuditOutcome
from a2a_node.model.tap import EndedCall
from a2a_node.pipeline.access_log import BATCH, WAITING, AccessLog, as_json, as_text

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


async def written(calls: list[EndedCall]) -> bytes:
    """What a pipe's reader gets of calls."""
    reader, writer = os.pipe()
    async with AccessLog.writing(as_json, writer) as log:
        for call in calls:
            log.line(call)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read()


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
    line = json.loads(as_json(CHILD))
    assert (line["reason"], line["call_path"], line["user_id"]) == ("AGENT_LOST", ["crowd"], "person:ann")


def test_people_read_a_short_line() -> None:
    """Coloured on a terminal alone."""
    plain = as_text(coloured=False)
    assert plain(SAID) == b"00:03:48.062 call echo.say succeeded 1.2 ms by person:ann call=c-1\n"
    assert plain(CHILD) == b"00:03:48.062 call echo.say AGENT_LOST 1.2 ms by agent:crowd path=crowd call=c-1\n"
    assert plain(RPC) == b"00:03:48.062 call CacheService/SetValue succeeded 1.2 ms by nobody\n"
    assert b"\x1b[31mAGENT_LOST\x1b[0m" in as_text(coloured=True)(CHILD)


async def test_every_line_is_written_before_the_end() -> None:
    """Whole batches and what is left of one, in order."""
    calls = [replace(SAID, call_id=str(number)) for number in range(2 * BATCH + 3)]
    lines = (await written(calls)).splitlines()
    assert [json.loads(line)["call_id"] for line in lines] == [call.call_id for call in calls]


async def test_who_reads_too_slowly_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into a bounded memory is dropped and counted; the end does not wait for it either."""
    monkeypatch.setattr("a2a_node.pipeline.access_log.PARTING", 0.01)
    reader, writer = os.pipe()
    async with AccessLog.writing(as_json, writer) as log:
        for _ in range(BATCH * WAITING * 2):
            log.line(SAID)
        assert log.dropped > 0
    os.close(reader)  # the thread's write fails now, and it ends
    os.close(writer)
