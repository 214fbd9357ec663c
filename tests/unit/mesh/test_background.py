"""Work beside a block."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.mesh.background import background
from a2a_node.model.errors import AgentNotFound, StoreUnavailable


async def test_work_ends_with_its_block() -> None:
    """It is cancelled, and gone when the block has ended."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with background(work):
        await begun.wait()
    assert cancelled.is_set()


async def test_work_that_fails_ends_the_block_with_its_own_error() -> None:
    """Its class is not hidden in a group."""

    async def work() -> None:
        raise StoreUnavailable("postgres")

    with pytest.raises(StoreUnavailable):
        async with background(work):
            await asyncio.Event().wait()


async def test_the_blocks_own_error_passes_as_it_is() -> None:
    """With its cause, and the work is cancelled."""
    cause = ValueError("why")
    with pytest.raises(AgentNotFound) as raised:
        async with background(asyncio.Event().wait):  # type: ignore[arg-type]  # what it gives is of no interest
            raise AgentNotFound("a") from cause
    assert raised.value.__cause__ is cause


async def test_work_that_ends_by_itself_does_not_end_the_block() -> None:
    """The block goes on."""

    async def work() -> None:
        done.set()

    done = asyncio.Event()
    async with background(work):
        await done.wait()
        await asyncio.sleep(0)


async def test_a_cancelled_block_cancels_its_work() -> None:
    """And is cancelled itself."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def block() -> None:
        async with background(work):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
