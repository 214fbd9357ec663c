"""The server: the one room that knows grpc.aio and its four shapes of call.

Every RPC, ours and the standard services', becomes a `Call` here and runs through the folded layers. Handlers are
wrapped when they are registered, so that no interceptor is asked for each call. A failure leaves as its status with
`google.rpc` details; an unexpected exception is logged and leaves as INTERNAL without its text.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import grpc
import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InternalError, MeshError, RpcNotServed
from a2a_node.wire.errors import DETAILS_KEY, to_details

log = structlog.get_logger()

Work = Callable[..., Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Question = Callable[..., None]
OPENING_SECONDS = 10.0
ENVELOPE_BYTES = 64 * 1024
_DOOR: ContextVar[str] = ContextVar("door", default="")
PENDING = 10_000  # calls that wait for the loop; the library's own 1,000 turned bursts away without a reason


class Service(Protocol):
    """A service of the contract: its descriptor, and a method in snake case for every RPC that it serves."""

    descriptor: ServiceDescriptor


@dataclass(frozen=True, slots=True)
class Front:
    """What every RPC passes: the folded layers, and how the first message of a method tells what was asked."""

    run: Proceed
    questions: Mapping[str, Question]


@dataclass(frozen=True, slots=True)
class Door:
    """Where the server listens: an address, whose port 0 means a free one, and how its callers prove themselves."""

    address: str
    credentials: grpc.ServerCredentials | None = None  # as grpc.ssl_server_credentials makes them; None without TLS
    peers: bool = False  # the door of other nodes


@asynccontextmanager
async def serving(
    doors: Sequence[Door], handlers: Mapping[str, Handler], front: Front, *, payload_limit: int, grace: float
) -> AsyncIterator[tuple[int, ...]]:
    """Serve until the block ends, then let running calls end for `grace` seconds; yields the port of each door."""
    async with AsyncExitStack() as house:
        ports = [
            await house.enter_async_context(_open(door, handlers, front, (payload_limit, grace))) for door in doors
        ]
        yield tuple(ports)


@asynccontextmanager
async def _open(
    door: Door, handlers: Mapping[str, Handler], front: Front, limits: tuple[int, float]
) -> AsyncIterator[int]:
    """One door, behind which is a server of its own, so that its calls are known by it."""
    payload_limit, grace = limits
    size = payload_limit + ENVELOPE_BYTES
    options = [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.so_reuseport", 0),
        ("grpc.server.max_pending_requests", PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING),
        ("grpc.enable_channelz", 1),
    ]
    server = grpc.aio.server(options=options)
    for name, handler in handlers.items():
        service, method = name.lstrip("/").split("/")
        server.add_registered_method_handlers(service, {method: handler})
    server.add_generic_rpc_handlers((_Unknown(front),))
    if door.credentials is None:
        port = server.add_insecure_port(door.address)
    else:
        port = server.add_secure_port(door.address, door.credentials)
    here = _DOOR.set("peers" if door.peers else "")  # the server's calls run in copies of this context
    await server.start()
    _DOOR.reset(here)
    try:
        yield port
    finally:
        await server.stop(grace)


def handlers_of(services: Sequence[Service], front: Front) -> dict[str, Handler]:
    """The handlers of our own services by full method name; an RPC without a method answers UNIMPLEMENTED."""
    return {
        f"/{service.descriptor.full_name}/{method.name}": _own(method, _snake_case(service, method.name), front)
        for service in services
        for method in service.descriptor.methods
    }


def standard_handlers(register: Callable[[Any], None], front: Front) -> dict[str, Handler]:
    """The handlers that a package's `register` adds to a server, in the layers; they keep grpc's own context."""
    collected = _Collected()
    register(collected)
    return {name: _foreign(name, handler, front) for name, handler in collected.handlers.items()}


class _Unknown(grpc.GenericRpcHandler):
    """Every method that has no handler; it is refused by name."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        return grpc.stream_stream_rpc_method_handler(_unserved(handler_call_details.method, self._front))


class _Aborted(MeshError):
    """A standard service has ended its RPC with a status of its own; the layers see it as any other failure."""

    def __init__(self, abort: grpc.aio.AbortError, context: Any) -> None:
        super().__init__(context.details() or "")
        self.abort, self.code, self.reason = abort, context.code().name, context.code().name


class _Collected:
    """Stands in for a server while a standard service adds itself."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Not needed: the same handlers come by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


def _snake_case(service: Service, name: str) -> Work | None:
    return getattr(service, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)


def _own(method: MethodDescriptor, work: Work | None, front: Front) -> Handler:
    """The handler of one of our RPCs: the service's method gets the message and the Call, never grpc's context."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    codec: dict[str, Any] = {
        "request_deserializer": message_factory.GetMessageClass(method.input_type).FromString,
        "response_serializer": message_factory.GetMessageClass(method.output_type).SerializeToString,
    }
    if work is None:
        return grpc.stream_stream_rpc_method_handler(_unserved(name, front))
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(_conversation(name, work, front), **codec)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_stream(name, work, front), **codec)
    return grpc.unary_unary_rpc_method_handler(_unary(name, work, front), **codec)


def _foreign(name: str, handler: Any, front: Front) -> Handler:
    """The handler of a standard service's RPC, which gets grpc's own context."""
    codec: dict[str, Any] = {
        "request_deserializer": handler.request_deserializer,
        "response_serializer": handler.response_serializer,
    }
    if handler.request_streaming:
        behaviour = _with_context(name, handler.stream_stream, front)
        return grpc.stream_stream_rpc_method_handler(behaviour, **codec)
    if handler.response_streaming:
        behaviour = _with_context(name, handler.unary_stream, front)
        return grpc.unary_stream_rpc_method_handler(behaviour, **codec)

    async def handle(request: Any, context: Any) -> Any:
        async def work(request: Any, _: Call) -> Any:
            with _aborting(context):
                return await handler.unary_unary(request, context)

        return await _unary(name, work, front)(request, context)

    return grpc.unary_unary_rpc_method_handler(handle, **codec)


def _unary(name: str, work: Work, front: Front) -> Work:
    question = front.questions.get(name)

    async def handle(request: Any, context: Any) -> Any:
        answer = None

        async def rest(call: Call) -> None:
            nonlocal answer
            answer = await work(request, call)

        call = _opened(name, context, rest)
        try:
            _ask(question, request, call)
            await front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            await _refuse(context, call, failure)
        return answer

    return handle


def _stream(name: str, work: Work, front: Front) -> Work:
    question = front.questions.get(name)

    async def handle(request: Any, context: Any) -> None:
        async def rest(call: Call) -> None:
            await _written(work, request, call, context.write)

        call = _opened(name, context, rest, endless=question is None)
        try:
            _ask(question, request, call)
            await front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            await _refuse(context, call, failure)

    return handle


def _conversation(name: str, work: Work, front: Front) -> Work:
    question = front.questions.get(name)

    async def handle(requests: AsyncIterator[Any], context: Any) -> None:
        async def rest(call: Call) -> None:
            await _written(work, requests, call, context.write)

        call = _opened(name, context, rest, endless=question is None)
        try:
            if question is not None:
                _ask(question, await _opening(requests), call)
            await front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            await _refuse(context, call, failure)

    return handle


def _with_context(name: str, behaviour: Work, front: Front) -> Work:
    async def handle(requests: Any, context: Any) -> None:
        async def rest(_: Call) -> None:
            with _aborting(context):
                result = behaviour(requests, context)
                if inspect.isawaitable(result):
                    await result
                else:
                    await _each(result, context.write)

        call = _opened(name, context, rest, endless=True)
        try:
            await front.run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            await _refuse(context, call, failure)

    return handle


@contextmanager
def _aborting(context: Any) -> Iterator[None]:
    try:
        yield
    except grpc.aio.AbortError as abort:
        raise _Aborted(abort, context) from None


def _unserved(name: str, front: Front) -> Work:
    async def work(_: Any, call: Call, __: Any) -> None:
        raise RpcNotServed(call.method)

    return _conversation(name, work, front)


async def _written(work: Work, request: Any, call: Call, write: Callable[[Any], Awaitable[None]]) -> None:
    """Replies that a service yields, or writes by itself when it takes a third argument."""
    if inspect.isasyncgenfunction(work):
        await _each(work(request, call), write)
    else:
        await work(request, call, write)


async def _each(replies: Any, write: Callable[[Any], Awaitable[None]]) -> None:
    async with aclosing(replies):
        async for reply in replies:
            await write(reply)


def _ask(question: Question | None, request: Any, call: Call) -> None:
    """Tell the call what is asked; what is wrong with that is said once the layers know who asks."""
    try:
        if question is not None:
            question(request, call)
    except MeshError as failure:
        call.rest = _refusing(failure)


def _refusing(failure: MeshError) -> Proceed:
    async def rest(_: Call) -> None:
        raise failure

    return rest


async def _opening(requests: AsyncIterator[Any]) -> Any:
    """The first message of a conversation, which names what is asked; None when there is none in time."""
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            return await anext(aiter(requests))
    except (StopAsyncIteration, TimeoutError):
        return None


def _opened(name: str, context: Any, rest: Proceed, *, endless: bool = False) -> Call:
    return Call(
        method=name,
        rest=rest,
        metadata=dict(context.invocation_metadata() or ()),
        peer_of=context.peer,
        identities_of=partial(_identities, context),
        door=_DOOR.get(),
        time_left=context.time_remaining(),
        endless=endless,
    )


def _identities(context: Any) -> Sequence[str]:
    """What the caller's certificate proves: its URIs first, SPIFFE ids among them, then its DNS names."""
    proven = context.auth_context()
    return [name.decode() for kind in ("peer_uri", "peer_dns") for name in proven.get(kind, ())]


async def _refuse(context: Any, call: Call, failure: Exception) -> None:
    """End the RPC with the failure's own status; what nobody named is logged and leaves as INTERNAL."""
    if isinstance(failure, _Aborted):
        raise failure.abort
    if not isinstance(failure, MeshError):
        log.error("unexpected failure", method=call.method, call_id=call.id, exc_info=failure)
        failure = InternalError()
    trailing = ((DETAILS_KEY, to_details(failure)),)
    await context.abort(grpc.StatusCode[failure.code], failure.message, trailing)
