"""The server: every RPC, ours and the standard services', runs through the folded layers as a `Call`.

Below it is the C core's server of `core`, which knows bytes alone; no type of gRPC goes further up.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from a2a_node.client.rpcs import ENVELOPE_BYTES
from a2a_node.core import server as core
from a2a_node.core.server import Door, Method, Route, Routes, Stream
from a2a_node.model.call import Call
from a2a_node.model.errors import RpcNotServed
from a2a_node.pipeline.shapes import Front, Rule, Work, Write, conversation, stream, unary

__all__ = ["Door", "Front", "Service", "handlers_of", "serving"]

LEAST_PING_MS = 4_000  # clients ask so often whether a silent node still lives; the library takes 5 minutes for polite
PENDING = 10_000  # calls that wait for the loop; the library's own 1,000 turned bursts away without a reason


class Service(Protocol):
    """A service of the contract: its descriptor, and a method in snake case for every RPC that it serves."""

    descriptor: ServiceDescriptor


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
    async with core.serving(doors, Routes(handlers, front.passing(_unserved(front))), options, grace) as ports:
        yield ports


def handlers_of(services: Sequence[Service], front: Front) -> dict[str, Route]:
    """The handlers of our own services by full method name; an RPC without a method answers UNIMPLEMENTED."""
    return {
        f"/{service.descriptor.full_name}/{method.name}": _own(method, _snake_case(service, method.name), front)
        for service in services
        for method in service.descriptor.methods
    }


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
        return conversation(rule, work)
    return stream(rule, work) if method.server_streaming else unary(rule, work)


def _unserved(front: Front) -> Stream:
    """Every method that nobody serves; it is refused by name."""

    async def work(_: object, call: Call, __: Write) -> None:
        raise RpcNotServed(call.method)

    return conversation(Rule("", front), work)


def _snake_case(service: Service, name: str) -> Work | None:
    return getattr(service, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
