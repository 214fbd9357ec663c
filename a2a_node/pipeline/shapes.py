"""The shapes of gRPC's calls: how an RPC of each becomes a `Call` that runs through the folded layers.

A failure leaves as its status with `google.rpc` details; an unexpected exception is logged and leaves as INTERNAL
without its text.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf.message import DecodeError

from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Method, Route, Stream, Unary
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InvalidInput, MeshError
from a2a_node.pipeline.proxy import Proxy
from a2a_node.pipeline.rpcs import opened, refuse, refusing

Work = Callable[..., Any]
Question = Callable[..., None]
Write = Callable[[Any], Awaitable[None]]
OPENING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Front:
    """What every RPC passes: the folded layers, and how the first message of a method tells what was asked."""

    run: Proceed
    questions: Mapping[str, Question]
    proxy: Proxy | None = None  # for RPCs that name an agent; None where nothing is passed through

    def passing(self, own: Method) -> Route:
        """`own` for those who name no agent; for others the RPC is passed on to that agent."""
        return own if self.proxy is None else self.proxy.or_else(own)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one RPC is served: its name, its messages from and to bytes, and what tells what was asked."""

    name: str
    front: Front
    read: Callable[[bytes], Any] = bytes
    written: Callable[[Any], bytes] = bytes

    @property
    def question(self) -> Question | None:
        """What tells the call what was asked; None for what asks for no agent."""
        return self.front.questions.get(self.name)


def unary(rule: Rule, work: Work) -> Unary:
    """One message, one reply: `work` is given the message and the Call, and returns the reply."""
    question = rule.question

    async def serve(rpc: Rpc, message: bytes) -> None:
        request, answer = None, b""

        async def rest(call: Call) -> None:
            nonlocal answer
            answer = rule.written(await work(request, call))

        call = opened(rpc, rest)
        try:
            request = _asked(rule, question, message, call)
            await rule.front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            refuse(rpc, call, failure)
        else:
            rpc.end(message=answer)

    return Unary(serve)


def stream(rule: Rule, work: Work) -> Unary:
    """One message, many replies, which `work` yields, or writes when it takes a third argument."""
    question = rule.question

    async def serve(rpc: Rpc, message: bytes) -> None:
        request = None

        async def rest(call: Call) -> None:
            await _written(work, request, call, _Writing(rule, rpc, call))

        call = opened(rpc, rest, endless=question is None)
        try:
            request = _asked(rule, question, message, call)
            await rule.front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            refuse(rpc, call, failure)

    return Unary(serve)


def conversation(rule: Rule, work: Work) -> Stream:
    """Many messages, of which `work` is given the iterator; its replies are those of a stream."""
    question = rule.question

    async def serve(rpc: Rpc) -> None:
        requests = _Requests(rpc, rule.read)

        async def rest(call: Call) -> None:
            await _written(work, requests, call, _Writing(rule, rpc, call))

        call = opened(rpc, rest, endless=question is None)
        try:
            if question is not None:
                _ask(question, await _opening(requests), call)
            await rule.front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            refuse(rpc, call, failure)

    return Stream(serve, plain=True)


class _Requests:
    """The messages of a client's stream; InvalidInput for one that is none."""

    def __init__(self, rpc: Rpc, read: Callable[[bytes], Any]) -> None:
        self._rpc, self._read = rpc, read

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        message = await self._rpc.receive()
        if message is None:
            raise StopAsyncIteration
        return _decoded(self._read, message, "frame")

    async def each(self, take: Callable[[Any], None]) -> None:
        """Call `take` with every message, in the turn of the loop in which it comes; what that raises ends it."""
        await self._rpc.each(lambda message: take(_decoded(self._read, message, "frame")))


def _decoded(read: Callable[[bytes], Any], message: bytes, field: str) -> Any:
    try:
        return read(message)
    except DecodeError:
        raise InvalidInput(field, "is not a message of this RPC") from None


class _Writing:
    """Writes the replies of an RPC; one that its call ends with goes out with the status."""

    def __init__(self, rule: Rule, rpc: Rpc, call: Call) -> None:
        self._written, self._rpc, self._call = rule.written, rpc, call

    async def __call__(self, reply: Any) -> None:
        send = self._rpc.send_last if self._call.ending else self._rpc.send
        await send(self._written(reply))

    def begin(self, reply: Any) -> asyncio.Future[bool] | None:
        """Begin to write a reply, for whoever alone writes; None when the RPC is over."""
        return self._rpc.begun(self._written(reply))


async def _written(work: Work, request: Any, call: Call, write: Write) -> None:
    """Replies that a service yields, or writes by itself when it takes a third argument."""
    if inspect.isasyncgenfunction(work):
        await each(work(request, call), write)
    else:
        await work(request, call, write)


async def each(replies: Any, write: Write) -> None:
    """Write what is yielded."""
    async with aclosing(replies):
        async for reply in replies:
            await write(reply)


def _asked(rule: Rule, question: Question | None, message: bytes, call: Call) -> Any:
    """The one message of a request; what is wrong with it is said once the layers know who asks."""
    try:
        request = _decoded(rule.read, message, "request")
    except MeshError as failure:
        call.rest = refusing(failure)
        return None
    _ask(question, request, call)
    return request


def _ask(question: Question | None, request: Any, call: Call) -> None:
    """Tell the call what is asked; what is wrong with that is said once the layers know who asks."""
    try:
        if question is not None:
            question(request, call)
    except MeshError as failure:
        call.rest = refusing(failure)


async def _opening(requests: _Requests) -> Any:
    """The first message of a conversation, which names what is asked; None when there is none in time."""
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            return await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        return None
