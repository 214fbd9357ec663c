"""Streams with an idempotency key: whoever repeats one joins the stream of the first call, on any node.

Under the key is kept which call it was, as soon as that has a stream; what it says is kept there as that of any stream.
So a repeat reads it from the beginning, ended or not. Only what has ended without a word, and in a way that another
try may mend, is begun again, as with its node's death: of all who find it so, one begins, and the others join that one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from time import monotonic

from a2a_node.mesh.once import digest, final, key_of, only
from a2a_node.mesh.resumable import while_heard
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import IdempotencyKeyReused, MeshError, StreamNotFound
from a2a_node.model.state import Gap
from a2a_node.model.streams import StreamEvent, StreamKey

RETENTION = 3600.0  # seconds that a stream is kept after its end, and its key with it


class Joining:
    """The layer, around that of resumable streams; `fresh` makes ids for calls whose own was used before."""

    def __init__(self, writers: Writers, returning: Returning, fresh: Callable[[], str]) -> None:
        self._writers, self._returning, self._fresh = writers, returning, fresh

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Join the call that was made under the key, or begin it; IdempotencyKeyReused, StoreUnavailable.

        Without the store the promise cannot be kept, so that such a call is refused.
        """
        return proceed(call) if call.unary or not call.idempotency_key else self._joined(call, proceed)

    async def _joined(self, call: Call, proceed: Proceed) -> None:
        before = ""
        while before := await self._begun_before(call, before):
            own, call.id, call.replayed, call.kept = call.id, before, True, True
            try:
                await while_heard(call, self._told(call, self._returning.events(before, 0)))
            except MeshError:
                if not await self._said_nothing(before):
                    raise
            else:
                return
            call.id, call.replayed = own, False
        await proceed(call)

    async def _begun_before(self, call: Call, stale: str) -> str:
        """The id of the call that was made under the key; empty once this one is, in place of a stale one."""
        mark = digest(await only(call))
        if call.id == stale:
            _rename(call, self._fresh())
        left = call.envelope.time_left(monotonic()) if call.envelope else 0.0
        try:
            begun = await self._writers.begin_once(call, StreamKey(key_of(call), mark, left + RETENTION, stale))
        except IdempotencyKeyReused:
            raise IdempotencyKeyReused(call.idempotency_key) from None
        if isinstance(begun, str):
            return begun
        call.keeping = begun.keeping
        return ""

    async def _told(self, call: Call, events: AsyncGenerator[StreamEvent | Gap, None]) -> None:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Gap):
                    await call.missed(event)
                else:
                    await call.reply(event.payload)

    async def _said_nothing(self, call_id: str) -> bool:
        """Whether a call is over, nothing was said in it, and another try may end better."""
        try:
            part = await self._returning.look(call_id)
        except StreamNotFound:
            return True
        error = part.record.error
        return not part.last and error is not None and not final(error)


def _rename(call: Call, fresh: str) -> None:
    """Let a call have another id: its own is that of one that has ended."""
    old, call.id = call.id, fresh
    if call.envelope is not None:
        root = fresh if call.envelope.root == old else call.envelope.root
        call.envelope = call.envelope._replace(id=fresh, root=root)
