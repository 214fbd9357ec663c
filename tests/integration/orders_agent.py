"""An agent with a gRPC service of its own in all four shapes, and with reflection and health beside it.

The contract is made here, as a generated one would be. Run as a program it prints its port, for tests that call it from
outside.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

SERVICE = "orders.v1.Orders"
METHODS = {"Place": (False, False), "Watch": (False, True), "Upload": (True, False), "Talk": (True, True)}
HELD_UP = 0.5  # seconds that a write takes when nobody reads
DETAILS = "grpc-status-details-bin"
Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"
Entries: TypeAlias = "Sequence[tuple[str, str | bytes]]"


def _contract() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="orders/v1/orders.proto", package="orders.v1", syntax="proto3")
    order = file.message_type.add(name="Order")
    for number, (name, kind) in enumerate((("item", 9), ("count", 5), ("data", 12)), 1):
        order.field.add(name=name, number=number, type=kind, label=1)
    service = file.service.add(name="Orders")
    for name, (many_in, many_out) in METHODS.items():
        service.method.add(
            name=name,
            input_type=".orders.v1.Order",
            output_type=".orders.v1.Order",
            client_streaming=many_in,
            server_streaming=many_out,
        )
    return file


descriptor_pool.Default().Add(_contract())
Order = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("orders.v1.Order"))


def order(item: str = "", count: int = 0, data: bytes = b"") -> Message:
    """A message of the contract."""
    return Order(item=item, count=count, data=data)


def item_of(message: object) -> str:
    """What an order is of."""
    return str(getattr(message, "item"))  # noqa: B009 - the class is made at run time


def count_of(message: object) -> int:
    """How many of it."""
    return int(getattr(message, "count"))  # noqa: B009


class Stub:
    """What protoc would generate for a client, over any channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        name = f"/{SERVICE}/"
        self.place = channel.unary_unary(f"{name}Place", Order.SerializeToString, Order.FromString)
        self.watch = channel.unary_stream(f"{name}Watch", Order.SerializeToString, Order.FromString)
        self.upload = channel.stream_unary(f"{name}Upload", Order.SerializeToString, Order.FromString)
        self.talk = channel.stream_stream(f"{name}Talk", Order.SerializeToString, Order.FromString)


async def _nobody(_: str) -> str:
    return ""


@dataclass
class OrdersAgent:
    """The agent, and what happened to it."""

    port: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    held_up: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    written: int = 0
    heard: list[tuple[str, str | bytes]] = field(default_factory=list)
    time_left: float | None = None
    ask_on: Callable[[str], Awaitable[str]] = _nobody  # what it asks of others at work, with its call token

    def _note(self, context: Context) -> None:
        self.calls += 1
        self.heard = [(name, value) for name, value in context.invocation_metadata() or ()]
        self.time_left = context.time_remaining()

    async def place(self, request: Message, context: Context) -> Message:
        """Answer once, as the item says."""
        self._note(context)
        act = item_of(request)
        if act == "said":
            await context.send_initial_metadata((("first", "1"), ("first", "2"), ("first-bin", b"\0\xff")))
            context.set_trailing_metadata((("last", "3"), ("last-bin", b"\xfe\0"), ("a2a-mine", "no")))
        if act == "refuse":
            await self._refuse(context)
        if act == "unavailable":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "closed until noon")
        if act == "crash":
            raise RuntimeError("out of paper")
        if act == "wait":
            await self._waiting()
        if act == "swell":
            return order(data=bytes(count_of(request)))
        if act == "spend":
            context.set_trailing_metadata((("a2a-used", f"tokens={count_of(request)}"),))
        if act == "ask on":
            return order(await self.ask_on(str(dict(self.heard)["a2a-call-token"])))
        return request

    async def watch(self, request: Message, context: Context) -> AsyncIterator[Message]:
        """Answer as often as asked, for ever, or with nothing but the first metadata until somebody cancels."""
        self._note(context)
        act = item_of(request)
        if act == "silent":
            await context.send_initial_metadata((("first", "1"),))
            await self._waiting()
        if act == "flood":
            while True:
                watch = asyncio.get_running_loop().call_later(HELD_UP, self.held_up.set)
                yield order(data=bytes(50_000))
                self.written += 1
                watch.cancel()
        for number in range(count_of(request)):
            yield order(act, number)
        if act == "refuse":
            await self._refuse(context)

    async def upload(self, requests: AsyncIterator[Message], context: Context) -> Message:
        """Count what comes, until it ends."""
        self._note(context)
        count = 0
        async for _ in requests:
            count += 1
        return order("all", count)

    async def talk(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Answer each message, and go away when told so."""
        self._note(context)
        async for request in requests:
            yield request
            if item_of(request) == "bye":
                return

    async def _refuse(self, context: Context) -> None:
        status = status_pb2.Status(code=10, message="no stock")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason="OUT_OF_STOCK", domain="orders"))
        trailing = ((DETAILS, status.SerializeToString()), ("left", "0"))
        await context.abort(grpc.StatusCode.ABORTED, "no stock", trailing)

    async def _waiting(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def handlers(self) -> Mapping[str, grpc.RpcMethodHandler[Message, Message]]:
        """What protoc would generate for a server."""
        out = Order.SerializeToString
        return {
            "Place": grpc.unary_unary_rpc_method_handler(self.place, Order.FromString, out),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch, Order.FromString, out),
            "Upload": grpc.stream_unary_rpc_method_handler(self.upload, Order.FromString, out),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk, Order.FromString, out),
        }


@asynccontextmanager
async def serving(address: str = "127.0.0.1:0") -> AsyncIterator[OrdersAgent]:
    """Serve until the block ends."""
    agent = OrdersAgent()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 32 * 1024 * 1024)])
    server.add_registered_method_handlers(SERVICE, agent.handlers())
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    servicer = health.aio.HealthServicer()
    await servicer.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    agent.port = server.add_insecure_port(address)
    await server.start()
    try:
        yield agent
    finally:
        await server.stop(None)


async def main(address: str) -> None:
    """Serve until killed."""
    async with serving(address) as agent:
        sys.stdout.write(f"{agent.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
