"""The messages of an RPC in both directions, whichever end of it is here."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from a2a_node.core.library import Event, Operation, Tag, receive_message, send_initial_metadata, send_message


class Messages(ABC):
    """One reader takes them, any number of senders give them; whoever inherits begins the batches."""

    __slots__ = ("_asked", "_heard", "_here", "_message", "_opened", "_sending", "_take", "_waiter")

    def __init__(self) -> None:
        self._message: bytes | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[bytes], None] | None = None
        self._sending: asyncio.Lock | None = None
        self._heard = 0  # messages
        self._asked = self._here = self._opened = False

    async def receive(self) -> bytes | None:
        """The next message; None once there are no more, or a moment before the other end's leaving is heard of."""
        if not self._asked:
            self._ask()
        if not self._here:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message = self._message
        if message is not None:
            self._heard += 1
            self._ask()  # one message is read ahead, and no more
        return message

    async def each(self, take: Callable[[bytes], None]) -> None:
        """Call `take` with every message, in the turn of the loop in which it comes; what that raises ends it.

        Returns when `receive` would have nothing more.
        """
        self._waiter, self._take = asyncio.get_running_loop().create_future(), take
        try:
            if not self._asked:
                self._ask()
            self._give()
            await self._waiter
        finally:
            self._take = None

    async def sent(self, message: bytes) -> bool:
        """Send a message; returns when the connection took it, so that a slow reader slows the writer, or False."""
        async with self._turn():
            taken = self._begun(message)
            return taken is not None and await taken

    def begun(self, message: bytes) -> asyncio.Future[bool] | None:
        """Begin to send a message, for whoever alone sends: it may send the next once the future is done.

        None where something is being sent, or the RPC is over.
        """
        return None if self._turn().locked() else self._begun(message)

    def _begun(self, message: bytes) -> asyncio.Future[bool] | None:
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._start((*self._opening(), send_message(message, 0)), partial(settle, taken)):
            return None
        self._opened = True
        return taken

    @abstractmethod
    def _start(self, operations: Sequence[Operation], tag: Tag) -> bool:
        """Begin a batch; False when the RPC is over, and its tag is not called."""

    def _turn(self) -> asyncio.Lock:
        """Held by whoever sends: the C core takes one message at a time."""
        if self._sending is None:
            self._sending = asyncio.Lock()
        return self._sending

    def _opening(self) -> tuple[Operation, ...]:
        return () if self._opened else (send_initial_metadata(None, 0),)

    def _ask(self) -> None:
        self._asked = True
        self._here = not self._start((receive_message(0),), self._received)
        if self._here:
            self._message = None

    def _received(self, event: Event) -> None:
        self._message, self._here = event.batch_operations[-1].message(), True
        if self._take is not None:
            self._give()
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _give(self) -> None:
        """Hand on what has come; whoever waits in `each` hears of the last message, and of what went wrong."""
        while self._here and self._take is not None:
            message = self._message
            if message is None:
                self._wake()
                return
            self._heard += 1
            try:
                self._ask()
                self._take(message)
            except asyncio.CancelledError:  # the RPC is over
                self._fail(asyncio.CancelledError())
            except Exception as failure:  # noqa: BLE001 - it is raised where somebody waits
                self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        self._take = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(failure)


def settle(taken: asyncio.Future[bool], event: Event) -> None:
    """Tell whoever waits for a batch whether it came to what it was begun for."""
    if not taken.done():  # whoever sent it may have been cancelled meanwhile
        taken.set_result(event.success)
