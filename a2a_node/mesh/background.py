"""Work beside a block: it begins with the block and never outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

Work = Callable[[], Coroutine[object, object, None]]


@asynccontextmanager
async def background(*works: Work) -> AsyncIterator[None]:
    """Run the works beside the block and cancel them at its end; one that fails ends the block with its own error."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for work in works]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        # one failure is what happened; a group around it would hide its class from whoever handles it
        if len(failures.exceptions) > 1:
            raise
        failure = failures.exceptions[0]
    try:
        if failure is not None:
            raise failure
    finally:  # else frame and failure hold each other, and with them what the block has open
        del failure
