"""What the rooms need of the store of streams, said as a Protocol; as in `ports`, StoreUnavailable when it is away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from a2a_node.model.streams import Claim, Reading, StreamHead, StreamKey, StreamPart, StreamWrite

KEPT = 4096  # events of a stream at most; its writer keeps those that nobody has read within half of that
HEIRS = 1.5  # leases that a writer may be silent which has named an heir, so that the heir has time to notice
KEPT_BYTES = 8 << 20  # of them together, the newest alone aside; half of that for those that nobody has read


class News(Protocol):
    """Tells that something changed, never what; several changes may be told as one."""

    async def wait(self) -> None:
        """Wait for news since the last time; StoreUnavailable when there can be none any more."""


class Streams(Protocol):
    """Events of calls, kept until an hour after the end; a stream has one writer, who must be heard of in every lease.

    A writer that was silent for a lease is lost: the next to look finds the call ended with NodeLost, and what that
    writer says afterwards is refused. An heir that it has named may take its place before.
    """

    async def begin(self, head: StreamHead) -> str:
        """Begin the stream of a call; the writer's mark. CallIdTaken when there is one already."""

    async def begin_once(self, head: StreamHead, writer: str, key: StreamKey) -> str:
        """Begin the stream of a call under a key, by a writer's own mark, both or neither.

        Empty once it is begun; the id of the call that the key stands for where it is not free. IdempotencyKeyReused
        when that was asked otherwise, CallIdTaken when the call has a stream already.
        """

    async def write(self, writes: Sequence[StreamWrite]) -> Sequence[Reading | None]:
        """Say something in several streams, in one trip; None for a writer that has no right (any more).

        FORGOTTEN for a stream that is not there, as where the store has lost what it knew. Each event is kept once:
        what was kept before is passed over, so that a repeat does no harm. Beyond KEPT and KEPT_BYTES the oldest are
        trimmed. After the end nothing more is kept.
        """

    async def inherit(self, claim: Claim) -> int | None:
        """Take the place of a writer, who has no right from then on; the last sequence that is kept.

        None, and nothing changes, where another has taken its place, the call has ended, the writer has named somebody
        else, or outputs would be missing between what is kept and what the heir has. A writer that has named nobody yet
        is followed by any heir of its mark, as long as nothing was said. A claim that is repeated is granted again.
        """

    async def read(self, call_id: str, after: int) -> StreamPart:
        """The next events after a sequence, a few at a time; the reader counts as present for a lease. StreamNotFound.

        Says to the writer that all up to `after` was read.
        """

    async def look(self, call_id: str) -> StreamPart:
        """How a call stands, without its events and without being a reader; StreamNotFound."""

    def news(self, call_id: str) -> AbstractAsyncContextManager[News]:
        """Hear of what is said in a stream after the block began."""

    def progress(self, call_id: str) -> AbstractAsyncContextManager[News]:
        """Hear of what is read of a stream after the block began."""
