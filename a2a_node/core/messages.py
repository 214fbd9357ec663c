"""The messages of an RPC in both directions, whichever end of it is here."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

from a2a_node.core.library import Event, Operation, Tag, receive_message, send_initial_metadata, send_message


class Messages(ABC):
    """One reader takes them, any number of senders give them; whoever inherits begins the batches."""

    __slots__ = ("_asked", "_heard", "_here", "_message", "_opened", "_sending", "_waiter")

    def __init__(self) -> None:
        self._message: bytes | None = None
        self._waiter: asyncio.Future[None] | None = None
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

    async def sent(self, message: bytes) -> bool:
        """Send a message; returns when the connection took it, so that a slow reader slows the writer, or False."""
        if self._sending is None:
            self._sending = asyncio.Lock()  # the C core takes one message at a time
        async with self._sending:
            taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            if not self._start((*self._opening(), send_message(message, 0)), partial(settle, taken)):
                return False
            self._opened = True
            return await taken

    @abstractmethod
    def _start(self, operations: Sequence[Operation], tag: Tag) -> bool:
        """Begin a batch; False when the RPC is over, and its tag is not called."""

    def _opening(self) -> tuple[Operation, ...]:
        return () if self._opened else (send_initial_metadata(None, 0),)

    def _ask(self) -> None:
        self._asked = True
        self._here = not self._start((receive_message(0),), self._received)
        if self._here:
            self._message = None

    def _received(self, event: Event) -> None:
        self._message, self._here = event.batch_operations[0].message(), True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def settle(taken: asyncio.Future[bool], event: Event) -> None:
    """Tell whoever waits for a batch whether it came to what it was begun for."""
    if not taken.done():  # whoever sent it may have been cancelled meanwhile
        taken.set_result(event.success)
