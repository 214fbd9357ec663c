"""Work beside a block, which ends with it, and work that holds nothing of whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run the work while the block runs, then cancel it; the block's failure is raised bare, or else the work's."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def apart(work: Coroutine[object, object, T], drop: Callable[[T], object] | None = None) -> T:
    """Await work in a context of its own: what it makes keeps that, such as a connection, and would keep the call.

    What it has made is dropped where the caller is cancelled in the moment in which it is done.
    """
    task = asyncio.create_task(work, context=Context())
    try:
        return await task
    except asyncio.CancelledError:
        if drop is not None and task.done() and not task.cancelled() and task.exception() is None:
            drop(task.result())
        raise
