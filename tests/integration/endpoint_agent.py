"""An endpoint agent for tests: it serves AgentService on a port and does as its capabilities' names say.

Run as a program it prints its port, for tests that kill it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from a2a_node.model.errors import AgentRefused, InvalidInput, MeshError
from a2a_node.wire.errors import DETAILS_KEY, to_details
from a2a_node.wire.payloads import from_mapping
from a2amesh.v1 import agent_service_pb2 as pb
from a2amesh.v1 import payload_pb2

Unary: TypeAlias = grpc.aio.ServicerContext[pb.InvokeRequest, pb.InvokeResponse]
Stream: TypeAlias = grpc.aio.ServicerContext[pb.InvokeStreamRequest, pb.InvokeStreamResponse]
Bidi: TypeAlias = grpc.aio.ServicerContext[pb.ConverseRequest, pb.ConverseResponse]
HELD_UP = 0.5  # seconds that a write takes when nobody reads
REFUSALS: dict[str, MeshError] = {
    "refuse": AgentRefused("no stock", code="ABORTED", reason="OUT_OF_STOCK", left=0),
    "misread": InvalidInput("text", "is wrong"),
}


@dataclass
class EndpointAgent:
    """The agent, and what happened to it."""

    port: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    held_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def invoke(self, request: pb.InvokeRequest, context: Unary) -> pb.InvokeResponse:
        """Answer once."""
        if request.capability in REFUSALS:
            refusal = REFUSALS[request.capability]
            trailing = ((DETAILS_KEY, to_details(refusal)),)
            await context.abort(grpc.StatusCode[refusal.code], refusal.message, trailing)
        if request.capability == "crash":
            raise RuntimeError("password=hunter2")
        if request.capability == "wait":
            await self.waiting()
        if request.capability == "swell":
            return pb.InvokeResponse(output=payload_pb2.Payload(data=bytes(int(request.input.text))))
        output = payload_pb2.Payload()
        output.struct.CopyFrom(from_mapping(told(request, context)))
        return pb.InvokeResponse(call_id=request.call_id, output=output)

    async def stream(self, request: pb.InvokeStreamRequest, context: Stream) -> None:
        """Answer as often as asked, or for ever."""
        if request.capability == "wait":
            await context.write(pb.InvokeStreamResponse(sequence=1, output=payload_pb2.Payload(text="begun")))
            await self.waiting()
        if request.capability == "skip":
            await context.write(pb.InvokeStreamResponse(gap=pb.Gap(first_sequence=1, last_sequence=2)))
        if request.capability == "flood":
            await self.flood(context)
        for number in range(int(request.input.text)):
            await context.write(
                pb.InvokeStreamResponse(sequence=number + 1, output=payload_pb2.Payload(text=str(number)))
            )

    async def flood(self, context: Stream) -> None:
        """Write for ever, and tell when that takes long because nobody reads."""
        while True:
            watch = asyncio.get_running_loop().call_later(HELD_UP, self.held_up.set)
            await context.write(pb.InvokeStreamResponse(output=payload_pb2.Payload(data=bytes(50_000))))
            watch.cancel()

    async def converse(self, requests: AsyncIterator[pb.ConverseRequest], context: Bidi) -> None:
        """Answer every input, or go away after the first."""
        opening = (await anext(aiter(requests))).open
        try:
            async for request in requests:
                self.begun.set()
                text = f"{opening.capability} {request.input.text}"
                await context.write(pb.ConverseResponse(output=payload_pb2.Payload(text=text)))
                if opening.capability == "hang_up":
                    return
        finally:  # gRPC ends the inputs of a conversation that is cancelled
            self.cancelled.set()

    async def waiting(self) -> None:
        """Wait until somebody cancels."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def told(request: pb.InvokeRequest, context: Unary) -> dict[str, object]:
    """All that reached the agent."""
    metadata = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
    return {"request": MessageToDict(request), "metadata": metadata, "time_left": context.time_remaining()}


@asynccontextmanager
async def serving(address: str = "127.0.0.1:0", limit: int = 4 * 1024 * 1024) -> AsyncIterator[EndpointAgent]:
    """Serve until the block ends, messages of at most `limit` bytes."""
    agent = EndpointAgent()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", limit)])
    handlers: dict[str, grpc.RpcMethodHandler[Message, Message]] = {
        "Invoke": grpc.unary_unary_rpc_method_handler(
            agent.invoke, pb.InvokeRequest.FromString, pb.InvokeResponse.SerializeToString
        ),
        "InvokeStream": grpc.unary_stream_rpc_method_handler(
            agent.stream, pb.InvokeStreamRequest.FromString, pb.InvokeStreamResponse.SerializeToString
        ),
        "Converse": grpc.stream_stream_rpc_method_handler(
            agent.converse, pb.ConverseRequest.FromString, pb.ConverseResponse.SerializeToString
        ),
    }
    server.add_registered_method_handlers("a2amesh.v1.AgentService", handlers)
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
