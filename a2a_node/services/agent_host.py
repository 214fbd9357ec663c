"""AgentHostService: agents that dial the node to serve calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from a2a_node.mesh.attached import Attached
from a2a_node.model.audit import LONGEST
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput
from a2amesh.v1 import agent_host_service_pb2 as pb

HELLO_SECONDS = 10.0


class AgentHostService:
    """Hands each stream to the carrier of attached agents, once the agent has said who it is."""

    descriptor = pb.DESCRIPTOR.services_by_name["AgentHostService"]

    def __init__(self, attached: Attached) -> None:
        self._attached = attached

    async def attach(
        self,
        requests: AsyncIterator[pb.AttachRequest],
        call: Call,
        write: Callable[[pb.AttachResponse], Awaitable[None]],
    ) -> None:
        """Serve one agent for as long as its stream lives."""
        frames = aiter(requests)
        hello = await said_hello(frames)
        call.target = f"agent:{hello.agent.name[:LONGEST]}"
        await self._attached.serve(hello, str(call.principal), frames, write)


async def said_hello(frames: AsyncIterator[pb.AttachRequest]) -> pb.AttachHello:
    """The first frame's hello; InvalidInput for anything else, and for none in time."""
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            frame = await anext(frames)
    except (StopAsyncIteration, TimeoutError):
        raise InvalidInput("hello", f"is required as the first frame, within {HELLO_SECONDS:.0f} s") from None
    if frame.WhichOneof("frame") != "hello":
        raise InvalidInput("hello", "is required as the first frame")
    return frame.hello
