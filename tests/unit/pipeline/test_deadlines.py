"""Deadlines: near ones by a timer of their own, far ones by the bucket; both end work in the same way."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest

from a2a_node.model.errors import DeadlineExceeded
from a2a_node.pipeline.deadlines import Deadlines

WAYS = pytest.mark.parametrize("deadlines", [{"near": 0.0, "step": 0.01}, {"near": 9.0}], ids=["bucket", "timer"])


async def for_ever() -> None:
    """Never end."""
    await asyncio.Event().wait()


@WAYS
async def test_work_that_takes_too_long_is_ended(deadlines: dict[str, float]) -> None:
    """And the task goes on, not cancelled."""
    with pytest.raises(DeadlineExceeded, match=r"0\.020"):
        await Deadlines(**deadlines).within(0.02, for_ever())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@WAYS
async def test_work_in_time_is_left_alone(deadlines: dict[str, float]) -> None:
    """Also once its deadline has passed."""
    ends = Deadlines(**deadlines)
    await ends.within(0.02, asyncio.sleep(0))
    await asyncio.sleep(0.05)


@WAYS
async def test_a_cancellation_from_elsewhere_stays_one(deadlines: dict[str, float]) -> None:
    """It is no deadline."""
    task = asyncio.create_task(Deadlines(**deadlines).within(5.0, for_ever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@WAYS
async def test_a_time_out_of_the_works_own_passes(deadlines: dict[str, float]) -> None:
    """It is not mistaken for the deadline."""

    async def own() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await Deadlines(**deadlines).within(5.0, own())


async def test_nothing_is_held_of_a_call_that_is_over() -> None:
    """While others wait, the timer goes on without what the first one knew."""

    class Known:
        pass

    async def first() -> weakref.ref[Known]:
        known = Known()
        knows.set(known)
        await deadlines.within(9.0, asyncio.sleep(0))
        return weakref.ref(known)

    knows: ContextVar[Known] = ContextVar("knows")
    deadlines = Deadlines(step=0.01)
    beginning = asyncio.create_task(first())
    other = asyncio.create_task(deadlines.within(60.0, for_ever()))
    gone = await beginning
    del beginning
    async with asyncio.timeout(5.0):
        while gone() is not None:
            await asyncio.sleep(0.01)
            gc.collect()
    assert deadlines.ticking
    other.cancel()
    await asyncio.wait([other])


async def test_no_timer_is_left_when_nothing_waits() -> None:
    """The buckets empty themselves."""
    ends = Deadlines(step=0.01, near=0.0)
    await asyncio.gather(*(ends.within(0.03, asyncio.sleep(0)) for _ in range(100)))
    async with asyncio.timeout(5):
        while ends.ticking:  # noqa: ASYNC110 - the loop's own timers are waited for
            await asyncio.sleep(0.01)
