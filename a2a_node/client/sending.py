"""The sending half of a conversation, beside the reading of its responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class _Core(Protocol):
    """What lies below gRPC's call object."""

    async def send_serialized_message(self, message: bytes) -> None:
        """Send one message; InternalError when this is not possible any more."""


class Talks(Protocol):
    """An RPC whose request is a stream."""

    async def wait_for_connection(self) -> None:
        """Until messages may go; AioRpcError when they may not."""


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


async def write(call: grpc.aio.StreamStreamCall[Q, R], message: Q) -> bool:
    """Write a message; False when the RPC has ended, which whoever reads it hears about."""
    return await put(call, message.SerializeToString())


async def put(call: Talks, message: bytes) -> bool:
    """The same for a message as it is on the wire.

    gRPC's own `write`, when it comes too late, puts "Internal error from Core" in the place of the status that the RPC
    has ended with, and nobody can tell any more why it ended.
    """
    try:
        await call.wait_for_connection()
        core: _Core = vars(call)["_cython_call"]
        await core.send_serialized_message(message)
    except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
        return False
    return True


async def _send(call: grpc.aio.StreamStreamCall[Q, R], requests: AsyncGenerator[Q, None]) -> None:
    try:
        async with aclosing(requests):
            async for request in requests:
                if not await write(call, request):
                    return
        await call.done_writing()
    except Exception:
        call.cancel()
        raise


def _is_to_blame(task: asyncio.Task[None]) -> bool:
    """Whether the RPC was cancelled because sending failed, and not because somebody cancelled the reader."""
    reader = asyncio.current_task()
    outside = reader is not None and reader.cancelling() > 0
    return not outside and task.done() and not task.cancelled() and task.exception() is not None
