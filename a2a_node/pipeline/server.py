"""The server: the one room that knows gRPC's four shapes of call.

Every RPC, ours and the standard services', becomes a `Call` here and runs through the folded layers. Below it is the
C core's server of `core`, which knows bytes alone; no type of gRPC goes further up. A failure leaves as its status with
`google.rpc` details; an unexpected exception is logged and leaves as INTERNAL without its text.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError

from a2a_node.client.rpcs import ENVELOPE_BYTES
from a2a_node.core import server as core
from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Door, Method, Route, Routes, Stream, Unary
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InvalidInput, MeshError, RpcNotServed
from a2a_node.pipeline.auth import HEALTH, REFLECTION
from a2a_node.pipeline.proxy import Proxy
from a2a_node.pipeline.rpcs import Aborted, opened, refuse, refusing

__all__ = ["Door", "Front", "Service", "handlers_of", "serving", "standard_handlers"]

Work = Callable[..., Any]
Question = Callable[..., None]
Write = Callable[[Any], Awaitable[None]]
OF_AGENTS_TOO = (HEALTH, REFLECTION)  # what the node and agents both serve: who names an agent asks that one
OPENING_SECONDS = 10.0
LEAST_PING_MS = 4_000  # clients ask so often whether a silent node still lives; the library takes 5 minutes for polite
PENDING = 10_000  # calls that wait for the loop; the library's own 1,000 turned bursts away without a reason


class Service(Protocol):
    """A service of the contract: its descriptor, and a method in snake case for every RPC that it serves."""

    descriptor: ServiceDescriptor


@dataclass(frozen=True, slots=True)
class Front:
    """What every RPC passes: the folded layers, and how the first message of a method tells what was asked."""

    run: Proceed
    questions: Mapping[str, Question]
    proxy: Proxy | None = None  # for RPCs that name an agent; None where nothing is passed through


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


@asynccontextmanager
async def serving(
    doors: Sequence[Door], handlers: Mapping[str, Route], front: Front, *, payload_limit: int, grace: float
) -> AsyncIterator[tuple[int, ...]]:
    """Serve until the block ends, then let running calls end for `grace` seconds; yields the port of each door."""
    size = payload_limit + ENVELOPE_BYTES
    options = (
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.server.max_pending_requests", PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
        ("grpc.enable_channelz", 1),
    )
    async with core.serving(doors, Routes(handlers, _passed(_unserved(front), front)), options, grace) as ports:
        yield ports


def handlers_of(services: Sequence[Service], front: Front) -> dict[str, Route]:
    """The handlers of our own services by full method name; an RPC without a method answers UNIMPLEMENTED."""
    return {
        f"/{service.descriptor.full_name}/{method.name}": _own(method, _snake_case(service, method.name), front)
        for service in services
        for method in service.descriptor.methods
    }


def standard_handlers(register: Callable[[Any], None], front: Front) -> dict[str, Route]:
    """The handlers that a package's `register` adds to a server, in the layers."""
    collected = _Collected()
    register(collected)
    handlers = {name: _foreign(name, handler, front) for name, handler in collected.handlers.items()}
    return {
        name: _passed(handler, front) if name.startswith(OF_AGENTS_TOO) else handler
        for name, handler in handlers.items()
    }


class _Collected:
    """Stands in for a server while a standard service adds itself."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Not needed: the same handlers come by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


class _Context:
    """What standard services are told and may say beside their messages, by the names that grpc gives it."""

    def __init__(self, write: Write | None = None) -> None:
        self.write = write
        self._code, self._details = grpc.StatusCode.OK, ""

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        raise Aborted(code, details)

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def check(self) -> None:
        """Raise what was said to be wrong."""
        if self._code is not grpc.StatusCode.OK:
            raise Aborted(self._code, self._details)


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


def _snake_case(service: Service, name: str) -> Work | None:
    return getattr(service, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)


def _own(method: MethodDescriptor, work: Work | None, front: Front) -> Method:
    """The handler of one of our RPCs: the service's method gets the message and the Call, and nothing of gRPC."""
    if work is None:
        return _unserved(front)
    rule = Rule(
        f"/{method.containing_service.full_name}/{method.name}",
        front,
        message_factory.GetMessageClass(method.input_type).FromString,
        message_factory.GetMessageClass(method.output_type).SerializeToString,
    )
    if method.client_streaming:
        return _conversation(rule, work)
    return _stream(rule, work) if method.server_streaming else _unary(rule, work)


def _foreign(name: str, handler: Any, front: Front) -> Method:
    """The handler of a standard service's RPC, whose work gets a context in place of the Call."""
    rule = Rule(name, front, handler.request_deserializer, handler.response_serializer)
    if handler.request_streaming:
        return _conversation(rule, _talking(handler.stream_stream))
    if handler.response_streaming:
        return _stream(rule, _talking(handler.unary_stream))

    async def work(request: Any, _: Call) -> Any:
        context = _Context()
        answer = await handler.unary_unary(request, context)
        context.check()
        return answer

    return _unary(rule, work)


def _talking(behaviour: Work) -> Work:
    """The work of a standard service that yields its replies, or writes them by itself."""

    async def work(request: Any, _: Call, write: Write) -> None:
        context = _Context(write)
        result = behaviour(request, context)
        await (result if inspect.isawaitable(result) else _each(result, write))
        context.check()

    return work


def _passed(own: Method, front: Front) -> Route:
    """The same for those who name no agent; for others it is passed on to that agent."""
    return own if front.proxy is None else front.proxy.or_else(own)


def _unserved(front: Front) -> Stream:
    """Every method that nobody serves; it is refused by name."""

    async def work(_: Any, call: Call, __: Write) -> None:
        raise RpcNotServed(call.method)

    return _conversation(Rule("", front), work)


def _unary(rule: Rule, work: Work) -> Unary:
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


def _stream(rule: Rule, work: Work) -> Unary:
    question = rule.question

    async def serve(rpc: Rpc, message: bytes) -> None:
        request = None

        async def rest(call: Call) -> None:
            await _written(work, request, call, _Writing(rule, rpc))

        call = opened(rpc, rest, endless=question is None)
        try:
            request = _asked(rule, question, message, call)
            await rule.front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            refuse(rpc, call, failure)

    return Unary(serve)


def _conversation(rule: Rule, work: Work) -> Stream:
    question = rule.question

    async def serve(rpc: Rpc) -> None:
        requests = _Requests(rpc, rule.read)

        async def rest(call: Call) -> None:
            await _written(work, requests, call, _Writing(rule, rpc))

        call = opened(rpc, rest, endless=question is None)
        try:
            if question is not None:
                _ask(question, await _opening(requests), call)
            await rule.front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            refuse(rpc, call, failure)

    return Stream(serve, plain=True)


class _Writing:
    """Writes the replies of an RPC."""

    def __init__(self, rule: Rule, rpc: Rpc) -> None:
        self._written, self._rpc = rule.written, rpc

    async def __call__(self, reply: Any) -> None:
        await self._rpc.send(self._written(reply))

    def begin(self, reply: Any) -> asyncio.Future[bool] | None:
        """Begin to write a reply, for whoever alone writes; None when the RPC is over."""
        return self._rpc.begun(self._written(reply))


async def _written(work: Work, request: Any, call: Call, write: Write) -> None:
    """Replies that a service yields, or writes by itself when it takes a third argument."""
    if inspect.isasyncgenfunction(work):
        await _each(work(request, call), write)
    else:
        await work(request, call, write)


async def _each(replies: Any, write: Write) -> None:
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
