"""Work apart from whoever asked for it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from a2a_node.store.background import apart

asks: ContextVar[str] = ContextVar("asks", default="nobody")


async def asked() -> str:
    """Who asks, as the work sees it."""
    return asks.get()


async def test_work_apart_knows_nothing_of_whoever_asked_for_it() -> None:
    """What it makes could hold that for as long as it lives."""
    asks.set("ann")
    assert await apart(asked()) == "nobody"
    assert await asked() == "ann"


@pytest.mark.parametrize("done", [True, False])
async def test_what_was_made_for_somebody_who_is_gone_is_dropped(*, done: bool) -> None:
    """Also where that is in the same moment; work that is not done is cancelled."""
    goes_on, dropped, ended = asyncio.Event(), list[str](), asyncio.Event()

    async def work() -> str:
        try:
            await goes_on.wait()
        finally:
            ended.set()
        return "made"

    asking = asyncio.create_task(apart(work(), dropped.append))
    for _ in range(3):
        await asyncio.sleep(0)
    if done:
        goes_on.set()
        await asyncio.sleep(0)
        assert ended.is_set()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()
    assert dropped == ["made"] * done
