"""Calls that outlive their client: they run beside the RPC that brought them, which only waits for them.

gRPC tells a server that an RPC was cancelled, and never whether the client did that or its connection was lost. So
the end of a resumable stream's RPC means that nobody hears it for now; the stream's own rules say when that is the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Self

import structlog

from a2a_node.mesh.calls import Calls
from a2a_node.model.call import PEERS, Call, Listener, Proceed
from a2a_node.model.errors import CallCancelled, MeshError, NodeLost
from a2a_node.wire.calls import CALL_TOKEN

MOST = 1000  # calls without a client at a time; beyond that a call ends with its client

log = structlog.get_logger()


class Outliving:
    """The layer, around everything that a call may cost; the calls end with the node."""

    def __init__(self, calls: Calls, most: int = MOST) -> None:
        self._calls = calls
        self._most = most
        self._alone: dict[asyncio.Task[None], Call] = {}

    @classmethod
    @asynccontextmanager
    async def keeping(cls, calls: Calls, most: int = MOST) -> AsyncIterator[Self]:
        """Let calls go on without their clients until the block ends."""
        outliving = cls(calls, most)
        try:
            yield outliving
        finally:
            await outliving.end()

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Run a resumable stream in a task of its own; a child of another call, or a peer's, ends with its RPC."""
        if not call.resumable or call.door == PEERS or CALL_TOKEN in call.metadata:
            return proceed(call)
        return self._beside(call, proceed)

    async def _beside(self, call: Call, proceed: Proceed) -> None:
        call.listener = Listener()
        work = asyncio.create_task(_work(call, proceed))
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            self._leave(call, work)
            call.listener.leave()
            raise
        work.result()

    def alone(self) -> int:
        """How many calls run without their client."""
        return len(self._alone)

    async def end(self) -> None:
        """End them all, or leave them to the nodes of their agents."""
        works = dict(self._alone)
        for work, call in works.items():
            if call.keeping is not None:
                call.keeping.give()
            if not self._calls.stop(call.id, NodeLost(call.id)):
                work.cancel()
        if works:
            await asyncio.wait(works)

    def _leave(self, call: Call, work: asyncio.Task[None]) -> None:
        self._alone[work] = call
        work.add_done_callback(self._ended)
        if len(self._alone) > self._most:
            self._calls.stop(call.id, CallCancelled(call.id, "its client is gone, as those of too many others are"))

    def _ended(self, work: asyncio.Task[None]) -> None:
        call = self._alone.pop(work)
        failure = None if work.cancelled() else work.exception()
        if failure is not None and not isinstance(failure, MeshError):
            log.error("unexpected failure of a call without its client", call_id=call.id, exc_info=failure)


async def _work(call: Call, proceed: Proceed) -> None:
    await proceed(call)
