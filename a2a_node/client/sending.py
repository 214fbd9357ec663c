"""The sending half of a conversation, beside the reading of its responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import grpc

Q = TypeVar("Q")
R = TypeVar("R")


@asynccontextmanager
async def sending(call: grpc.aio.StreamStreamCall[Q, R], requests: AsyncGenerator[Q, None]) -> AsyncIterator[None]:
    """Send requests while the block reads responses; a failure of the requests ends the block and is raised here."""
    task = asyncio.create_task(_send(call, requests))
    try:
        yield
    except asyncio.CancelledError:
        if not _is_to_blame(task):
            raise
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _send(call: grpc.aio.StreamStreamCall[Q, R], requests: AsyncGenerator[Q, None]) -> None:
    try:
        async with aclosing(requests):
            async for request in requests:
                await call.write(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return  # the RPC has ended, and whoever reads its responses hears why
    except Exception:
        call.cancel()
        raise


def _is_to_blame(task: asyncio.Task[None]) -> bool:
    """Whether the RPC was cancelled because sending failed, and not because somebody cancelled the reader."""
    reader = asyncio.current_task()
    outside = reader is not None and reader.cancelling() > 0
    return not outside and task.done() and not task.cancelled() and task.exception() is not None
