"""The carrier to endpoints: agents that serve AgentService on an address of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from time import monotonic
from typing import Protocol, Self

import grpc
from google.protobuf.message import Message

from a2a_node.client.sending import write
from a2a_node.mesh.background import background
from a2a_node.mesh.faults import ended, fault, status_of
from a2a_node.mesh.lines import DEFAULT, Bounds, Clock, Line, Lines
from a2a_node.mesh.lingering import Lingering
from a2a_node.mesh.passing import passed
from a2a_node.mesh.telling import spent, time_left, told
from a2a_node.mesh.unheard import UNHEARD, Asking, Unheard
from a2a_node.model.agents import Instance
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentProtocol
from a2a_node.model.payload import EMPTY
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb


class Ending(Protocol):
    """An RPC that has ended or is about to."""

    async def trailing_metadata(self) -> grpc.aio.Metadata | None:
        """What the server says at the end."""


Conversation = grpc.aio.StreamStreamCall[Message, pb.ConverseResponse]


class Endpoints:
    """Takes calls to endpoints over one line for each address; made by `reaching`."""

    def __init__(self, bounds: Bounds, clock: Clock, lingering: Lingering) -> None:
        self._bounds = bounds
        self._lines = Lines(bounds, clock)
        self._lingering = lingering
        self._unheard = Unheard(self._lines, Asking())
        self._calls = 0

    @classmethod
    @asynccontextmanager
    async def reaching(
        cls,
        serves: Callable[[str], bool],
        bounds: Bounds = DEFAULT,
        clock: Clock = monotonic,
        lingering: Lingering | None = None,
    ) -> AsyncIterator[Self]:
        """Carry calls until the block ends; `serves` says whether any instance still has an address.

        `lingering` hears of work that outlives its call.
        """
        endpoints = cls(bounds, clock, Lingering() if lingering is None else lingering)
        try:
            async with background(partial(endpoints.tend, serves)):
                yield endpoints
        finally:
            await endpoints.close()

    def reaches(self, instance: Instance) -> bool:
        """Whether a call could begin now."""
        return self._lines.free(instance.address)

    def load(self) -> int:
        """How many calls all endpoints have from here."""
        return self._calls

    def lines(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    async def carry(self, call: Call, instance: Instance) -> None:
        """Take the call there; AgentLost when the connection fails, any other failure as the agent named it."""
        with self._counted():
            async with self._lines.taken(instance.address, call.agent) as line:
                try:
                    await self._talk(line, call)
                except grpc.aio.AioRpcError as failure:
                    spent(failure.trailing_metadata(), call)
                    status = status_of(failure)
                    call.begun = not status.unconnected
                    if call.begun and status.details is None and status.code in UNHEARD:
                        self._left(call, instance)
                    if call.proxied is not None:
                        raise ended(failure, call, instance, connected=line.connected) from None
                    raise fault(status, call, instance) from None
                except (asyncio.CancelledError, AgentProtocol):
                    self._left(call, instance)
                    raise

    async def tend(self, serves: Callable[[str], bool]) -> None:
        """Close lines that nobody needs, for ever."""
        while True:
            await asyncio.sleep(self._bounds.tidy)
            await self._lines.tidy(serves)

    async def close(self) -> None:
        """Close all lines; calls over them are cancelled."""
        await self._lines.close()

    def _left(self, call: Call, instance: Instance) -> None:
        """Note that the agent may still work on a call which is over here; it is asked once somebody wants to know."""
        ask = partial(self._unheard.over, call.id, instance) if call.proxied is None else _never
        self._lingering.add(call, instance, ask)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    async def _talk(self, line: Line, call: Call) -> None:
        call.begun = True
        if call.proxied is not None:
            await passed(line, call, call.proxied)
        elif call.offered is not None and call.offered.streams_input:
            await self._converse(line, call)
        elif call.offered is not None and call.offered.streams_output:
            await self._stream(line, call)
        else:
            await self._invoke(line, call)

    async def _invoke(self, line: Line, call: Call) -> None:
        request = pb.InvokeRequest(
            agent=call.agent,
            capability=call.capability,
            input=from_payload(await anext(call.requests, EMPTY)),
            idempotency_key=call.idempotency_key,
            call_id=call.id,
        )
        rpc = line.invoke(request, timeout=time_left(call), metadata=told(call))
        response = await rpc
        await _report(rpc, call)
        await call.reply(to_payload(response.output, "output", self._bounds.payload))

    async def _stream(self, line: Line, call: Call) -> None:
        request = pb.InvokeStreamRequest(
            agent=call.agent,
            capability=call.capability,
            input=from_payload(await anext(call.requests, EMPTY)),
            call_id=call.id,
            resumable=False,
        )
        rpc = line.stream(request, timeout=time_left(call), metadata=told(call))
        try:
            async for response in rpc:
                if response.WhichOneof("event") == "gap":
                    raise AgentProtocol(call.agent, "it left a gap in a stream that was not resumed")
                await call.reply(to_payload(response.output, "output", self._bounds.payload))
            await _report(rpc, call)
        finally:
            rpc.cancel()

    async def _converse(self, line: Line, call: Call) -> None:
        rpc = line.converse(timeout=time_left(call), metadata=told(call))
        try:
            async with background(partial(_say, rpc, call)):
                async for response in rpc:
                    await call.reply(to_payload(response.output, "output", self._bounds.payload))
            await _report(rpc, call)
        finally:
            rpc.cancel()


async def _report(rpc: Ending, call: Call) -> None:
    """Take in what an agent says at the end of an RPC that it has used."""
    if call.spending is not None:
        spent(await rpc.trailing_metadata(), call)


async def _never() -> bool:
    """Of a call to a service of the agent's own nobody says that its work is over."""
    return False


async def _say(rpc: Conversation, call: Call) -> None:
    """Send the opening and the inputs, as long as anybody listens."""
    async for frame in _frames(call):
        if not await write(rpc, frame):
            return
    await rpc.done_writing()


async def _frames(call: Call) -> AsyncIterator[pb.ConverseRequest]:
    opening = pb.ConverseOpen(agent=call.agent, capability=call.capability, call_id=call.id)
    yield pb.ConverseRequest(open=opening)
    async for payload in call.requests:
        yield pb.ConverseRequest(input=from_payload(payload))
