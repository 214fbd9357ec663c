"""The tap: calls are told as they end, to whoever looks now."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from a2a_node.audit.tap import AHEAD, Missed, Tap
from a2a_node.model.audit import AuditOutcome
from a2a_node.model.errors import TooManySubscribers
from a2a_node.model.tap import EndedCall, TapFilter

SAID = EndedCall(
    1.0,
    0.002,
    "/a2amesh.v1.AgentService/Invoke",
    "echo",
    "say",
    "person:ann",
    "person:ann",
    AuditOutcome.SUCCEEDED,
    "",
    "c-1",
    (),
    "",
    "127.0.0.1",
)
RPC = replace(SAID, method="/a2amesh.v1.CacheService/SetValue", agent="", capability="", call_id="")


async def test_what_fits_is_told() -> None:
    """Calls of agents, by whatever is asked; other RPCs only when they are asked for."""
    failed = replace(SAID, outcome=AuditOutcome.FAILED)
    for wanted, fits in (
        (TapFilter(), [SAID, failed]),
        (TapFilter(all_rpcs=True), [SAID, RPC, failed]),
        (TapFilter(agent="echo", capability="say", user_id="person:ann"), [SAID, failed]),
        (TapFilter(capability="count"), []),
        (TapFilter(user_id="person:bob"), []),
        (TapFilter(outcome=AuditOutcome.FAILED), [failed]),
    ):
        assert [call for call in (SAID, RPC, failed) if wanted.fits(call)] == fits


async def test_a_reader_hears_of_calls_in_order() -> None:
    """From the sign that it does; afterwards nobody listens."""
    tap = Tap()
    tap.tell(SAID)
    reading = tap.read(TapFilter())
    assert await anext(reading) is None
    tap.tell(replace(SAID, call_id="c-2"))
    tap.tell(replace(SAID, call_id="c-3"))
    heard = [await anext(reading), await anext(reading)]
    assert [call.call_id for call in heard if isinstance(call, EndedCall)] == ["c-2", "c-3"]
    waiting = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    assert not waiting.done()
    tap.tell(SAID)
    assert await waiting == SAID
    await reading.aclose()
    assert not tap.readers


async def test_a_slow_reader_is_told_what_it_missed() -> None:
    """And costs bounded memory."""
    tap = Tap()
    reading = tap.read(TapFilter())
    await anext(reading)
    for number in range(AHEAD + 7):
        tap.tell(replace(SAID, call_id=str(number)))
    assert await anext(reading) == Missed(7)
    first = await anext(reading)
    assert isinstance(first, EndedCall)
    assert first.call_id == "7"
    await reading.aclose()


async def test_so_many_may_read_at_a_time() -> None:
    """The next one is told how many there are."""
    tap = Tap(most=1)
    reading = tap.read(TapFilter())
    await anext(reading)
    with pytest.raises(TooManySubscribers, match="1 tap"):
        await anext(tap.read(TapFilter()))
    await reading.aclose()
