"""The client: RPCs to one address, whose completions come to the loop as those of the server do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import time

import grpc

from a2a_node.core.completions import Completions
from a2a_node.core.library import (
    ChannelCredentials,
    Event,
    Metadata,
    Operation,
    Options,
    Tag,
    new_channel,
    of_credentials,
    receive_initial_metadata,
    receive_message,
    receive_status,
    send_close,
    send_initial_metadata,
    send_message,
)
from a2a_node.core.messages import Messages
from a2a_node.core.pump import Pump

CANCELLED = 1  # of gRPC's status codes
NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Status:
    """How an RPC ended: the canonical name of its code, such as "OK", what was said of it, and what came with it."""

    code: str
    details: str
    trailing: Metadata


@dataclass(frozen=True, slots=True)
class Question:
    """The only message of an RPC, for how many seconds its answers are waited for, and what is said beside it."""

    message: bytes
    seconds: float
    metadata: Metadata = ()


class Failed(Exception):
    """An RPC ended with another status than OK."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"{status.code}: {status.details}")
        self.status = status


class Channel:
    """Connections to an address, made when they are needed; ended by `close`, with every RPC on them."""

    def __init__(self, address: str, credentials: ChannelCredentials | None = None, options: Options = ()) -> None:
        self._core = new_channel(address.encode(), options, of_credentials(credentials))
        self._completions = Completions(self._core)
        self._pump = Pump(self._completions)

    def stream(self, method: str) -> Stream:
        """Begin an RPC of messages in both directions; `method` such as "/package.Service/Method"."""
        return Stream(self._completions, method)

    def answers(self, method: str, question: Question) -> Stream:
        """Begin an RPC of one message for many."""
        return Stream(self._completions, method, question)

    async def ask(self, method: str, message: bytes, seconds: float, metadata: Metadata = ()) -> bytes:
        """One message for one, in so many seconds; Failed with the status that came in its place."""
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        operations = (*_saying(Question(message, seconds, metadata)), receive_message(0), receive_status(0))

        def answered(event: Event) -> None:
            self._completions.over(call)
            if not answer.done():
                answer.set_result(event)

        call = self._completions.call(method, time() + seconds, ((operations, answered),))
        try:
            *_, received, ended = (await answer).batch_operations
        except asyncio.CancelledError:
            call.cancel(CANCELLED, "nobody waits for the answer")
            raise
        said, status = received.message(), _status(ended)
        if said is None or status.code != "OK":
            raise Failed(status)
        return said

    async def close(self) -> None:
        """End it, with what still runs on it."""
        try:
            await self._pump.stop()
        finally:
            self._core.close(CANCELLED, "the connection is closed")


class Stream(Messages):
    """An RPC that sends and receives messages until its status comes; with a question, it is all that is sent."""

    __slots__ = ("_call", "_completions", "_status")

    def __init__(self, completions: Completions, method: str, question: Question | None = None) -> None:
        super().__init__()
        self._opened = True
        self._status: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._completions = completions
        ending = ((receive_status(0),), self._ended)
        if question is None:
            opening = (send_initial_metadata(None, 0), receive_initial_metadata(0))
            self._call = completions.call(method, None, ((opening, _nothing), ending))
        else:
            self._asked = True  # the first answer comes with the opening, which saves a completion
            asking = (*_saying(question), receive_message(0))
            self._call = completions.call(method, time() + question.seconds, ((asking, self._received), ending))

    def cancel(self) -> None:
        """End it, whatever is still to be said."""
        self._call.cancel(CANCELLED, "nobody reads it any more")

    @property
    def over(self) -> bool:
        """Whether its status has come."""
        return self._status.done()

    async def status(self) -> Status:
        """Wait for its end."""
        return await asyncio.shield(self._status)

    def _start(self, operations: Sequence[Operation], tag: Tag) -> bool:
        return self._completions.operate(self._call, operations, tag)

    def _ended(self, event: Event) -> None:
        self._completions.over(self._call)
        self._status.set_result(_status(event.batch_operations[0]))


def _saying(question: Question) -> tuple[Operation, ...]:
    """All that the side of the client says of an RPC of one message."""
    said = (send_initial_metadata(question.metadata, 0), send_message(question.message, 0), send_close(0))
    return (*said, receive_initial_metadata(0))


def _nothing(_: Event) -> None:
    """Nobody waits for the connection alone."""


def _status(ended: Operation) -> Status:
    return Status(NAMES[ended.code()], ended.details(), ended.trailing_metadata() or ())
