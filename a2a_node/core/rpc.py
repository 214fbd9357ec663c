"""One RPC: what its client said, its messages in both directions, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import time

from a2a_node.core.library import (
    NEVER,
    CoreCall,
    Event,
    Metadata,
    Operation,
    Tag,
    auth_context,
    receive_close,
    receive_message,
    send_initial_metadata,
    send_message,
    send_status,
)
from a2a_node.core.messages import Messages, settle

OK, CANCELLED, INTERNAL, UNAVAILABLE = 0, 1, 13, 14  # of gRPC's status codes
TURNS, PARTING = 3, 0.002  # of the loop; seconds: in which a client's leaving is heard after the end of its messages


class Rpc(Messages):
    """An RPC in the hands of one task; `ended` is told once the C core has let go of it."""

    __slots__ = (
        "_call",
        "_deadline",
        "_ended",
        "_last",
        "_left",
        "_stopped",
        "_watched",
        "door",
        "metadata",
        "method",
        "over",
        "plain",
        "task",
    )

    def __init__(self, event: Event, door: str, ended: Callable[[Rpc], None]) -> None:
        super().__init__()
        self.method = event.call_details.method.decode()
        self.metadata = event.invocation_metadata
        self.door = door
        self.task: asyncio.Task[None] | None = None
        self.over = False  # its status was sent, or nothing will be any more
        self.plain = False  # its initial metadata say nothing, and may go before anything else does
        self._call: CoreCall | None = event.call
        self._deadline = event.call_details.deadline
        self._ended = ended
        self._left = self._watched = self._stopped = False
        self._last: bytes | None = None  # a message that goes out with the status

    @property
    def time_left(self) -> float | None:
        """Seconds until the client's deadline; None when it has none."""
        return None if self._deadline > NEVER else max(0.0, self._deadline - time())

    def peer(self) -> str:
        """The client's address, for example "ipv4:127.0.0.1:40712"."""
        return "" if self._call is None else self._call.peer().decode()

    def identities(self) -> Sequence[str]:
        """What the client's certificate proves: its URIs first, SPIFFE ids among them, then its DNS names."""
        proven = {} if self._call is None else auth_context(self._call) or {}
        return [name.decode() for kind in (b"peer_uri", b"peer_dns") for name in proven.get(kind, ())]

    def open(self, received: Tag) -> None:
        """Ask for the one message of a unary request; the tag comes with it."""
        self._start((receive_message(0),), received)

    def watch(self) -> None:
        """Hear when the client goes away, and stop the task then; needless for what ends at its first step."""
        if not (self._watched or self.over):
            self._start((receive_close(0),), self._closed)
            self._watched = True

    async def receive(self) -> bytes | None:
        """The next message of the client, None once there are no more; CancelledError when it has left before."""
        message = await super().receive()
        if message is None:
            await self._stayed()
        return message

    async def each(self, take: Callable[[bytes], None]) -> None:
        """The same for the messages of the client; CancelledError when it has left before their end."""
        await super().each(take)
        await self._stayed()

    async def begin(self, initial: Metadata) -> None:
        """Send the initial metadata, before any message; without it goes with the first message, or the end."""
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._start((send_initial_metadata(initial, 0),), partial(settle, sent))
        self._opened = True
        if not await sent:
            raise asyncio.CancelledError  # as with `send`

    async def send(self, message: bytes) -> None:
        """Send a message; returns when the connection took it, so that a slow reader slows the writer."""
        held, self._last = self._last, None
        for one in (message,) if held is None else (held, message):
            if not await self.sent(one):
                raise asyncio.CancelledError  # the client is gone; the task hears so in a moment

    async def send_last(self, message: bytes) -> None:
        """The same for what is most likely the last: it goes out with the end, which follows at once.

        That is one batch and one packet in place of two; where another message follows it goes before that.
        """
        if self._last is not None:
            await self.send(message)
        else:
            self._last = message

    def begun(self, message: bytes) -> asyncio.Future[bool] | None:
        """The same, begun at once by whoever alone sends; None when the C core has let go of the RPC."""
        return None if self._call is None else super().begun(message)

    def end(
        self, code: int = OK, details: str = "", trailing: Metadata | None = None, message: bytes | None = None
    ) -> None:
        """End the RPC with its status, and with the one message of a unary reply, or the last one of a stream."""
        operations = [*self._opening()]
        if (last := self._last if message is None else message) is not None:
            operations.append(send_message(last, 0))
        operations.append(send_status(trailing, code, details.encode(), 0))
        if not self._watched:
            operations.append(receive_close(0))
        self._start(operations, self._finished)
        self.over = self._watched = True

    def mark(self, tag: Tag) -> bool:
        """Begin a batch of nothing, which completes at once; False when the C core has let go of the RPC."""
        return self._call is not None and not self._call.start_server_batch((), tag)

    def stop(self) -> None:
        """Cancel the task, once: whoever takes time to stop is not told again, by a client that leaves for example."""
        if self.task is not None and not (self.over or self._stopped):
            self._stopped = True
            self.task.cancel()

    def abandon(self) -> None:
        """Let go of an RPC whose task does not end; whatever it still does is cancelled."""
        self._call, self.over = None, True

    async def _stayed(self) -> None:
        """Tell the end of a client's messages from its leaving, of which the C core speaks a moment later.

        Without this every killed client seemed to have ended its messages well. What is sent now comes back behind the
        word of a client's leaving, so that of 2,100 clients that left none seemed to stay; initial metadata can be sent
        where nothing was. Else some time goes by: with the turns alone 1 in 100 left unheard on a busy machine, with
        the time 1 in 3,900. One message alone, as of a unary RPC, is not kept waiting for it.
        """
        if self.plain and self._heard != 1 and await self._knocked():
            return
        for turn in range(TURNS + 1):
            await asyncio.sleep(0 if turn < TURNS or self._heard == 1 else PARTING)
            if self._left:
                raise asyncio.CancelledError

    async def _knocked(self) -> bool:
        """Send initial metadata of nothing; False when something was sent before, CancelledError for who has left."""
        async with self._turn():
            if self._opened:
                return False
            await self.begin(())
        if self._left:
            raise asyncio.CancelledError
        return True

    def _closed(self, event: Event) -> None:
        self._left = event.batch_operations[0].cancelled()
        if self._left:
            self.stop()

    def _finished(self, _: Event) -> None:
        self._call = None
        self._ended(self)

    def _start(self, operations: Sequence[Operation], tag: Tag) -> bool:
        if self._call is None:
            raise asyncio.CancelledError
        refused = self._call.start_server_batch(operations, tag)
        if refused:
            raise RuntimeError(f"the C core refused a batch of {self.method} with error {refused}")
        return True
