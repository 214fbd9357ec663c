"""AgentService: calls to agents by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Protocol, Self

from a2a_node.mesh.returning import Returning
from a2a_node.model.budget import checked_amounts
from a2a_node.model.call import Call, CallRecord, Once, Proceed, unheard, untold
from a2a_node.model.errors import AgentProtocol, CallNotFound, InvalidInput, MeshError
from a2a_node.model.names import checked_name, checked_text, checked_uuid
from a2a_node.model.payload import Payload
from a2a_node.model.state import Gap
from a2a_node.model.streams import StreamEvent
from a2a_node.wire.calls import from_record
from a2a_node.wire.payloads import Carried, check_size, passed_on
from a2amesh.v1 import agent_service_pb2 as pb
from a2amesh.v1 import payload_pb2

Opening = pb.InvokeRequest | pb.InvokeStreamRequest | pb.ConverseOpen
DESCRIPTOR = pb.DESCRIPTOR.services_by_name["AgentService"]


class Finds(Protocol):
    """Who knows calls by their ids."""

    async def get(self, call_id: str) -> CallRecord:
        """What is known of a call; CallNotFound."""

    async def cancel(self, call_id: str, why: str) -> CallRecord:
        """End a running call and wait until it has ended; CallNotFound."""


class AgentService:
    """Takes invocations to the outgoing layers, and answers what is known of calls."""

    descriptor = DESCRIPTOR

    def __init__(self, outgoing: Proceed, calls: Finds, returning: Returning, payload_limit: int) -> None:
        self._outgoing = outgoing
        self._calls = calls
        self._returning = returning
        self._limit = payload_limit

    async def invoke(self, request: pb.InvokeRequest, call: Call) -> pb.InvokeResponse:
        """One input, one output."""
        answer = _Answer(call.agent, self._limit)
        call.requests, call.reply = Once(Carried(request.input, "input", self._limit)), answer.take
        await self._outgoing(call)
        response = pb.InvokeResponse(call_id=call.id, output=answer.output())
        if call.replayed:
            response.replayed = True
        if call.used:
            response.used.update(call.used)
        return response

    async def invoke_stream(
        self, request: pb.InvokeStreamRequest, call: Call, write: Callable[[pb.InvokeStreamResponse], Awaitable[None]]
    ) -> None:
        """One input, any number of outputs, numbered from 1; or the outputs of a call that was begun before."""
        if call.resumes is not None:
            await self._read_on(call, call.resumes, write)
            return
        sequence = 0

        async def reply(payload: Payload) -> None:
            nonlocal sequence
            sequence += 1
            output = self._checked(payload)
            await write(pb.InvokeStreamResponse(call_id=call.id, sequence=sequence, output=output, resumable=call.kept))

        async def missed(gap: Gap) -> None:
            nonlocal sequence
            sequence = gap.last
            await write(self._kept(call.id, gap))

        call.requests, call.reply = Once(Carried(request.input, "input", self._limit)), reply
        call.missed = missed
        try:
            await self._outgoing(call)
        finally:
            call.missed = untold  # both know the call: cycles with all of it, which the collector would have to find
            if call.reply is reply:
                call.reply = unheard

    async def converse(
        self,
        requests: AsyncIterator[pb.ConverseRequest],
        call: Call,
        write: Callable[[pb.ConverseResponse], Awaitable[None]],
    ) -> None:
        """Any number of inputs and of outputs; the opening frame was read before."""
        sequence = 0

        async def reply(payload: Payload) -> None:
            nonlocal sequence
            sequence += 1
            await write(pb.ConverseResponse(call_id=call.id, sequence=sequence, output=self._checked(payload)))

        call.requests, call.reply = _Inputs(requests, self._limit), reply
        await self._outgoing(call)

    async def cancel_call(self, request: pb.CancelCallRequest, _: Call) -> pb.CancelCallResponse:
        """End a running call."""
        call_id = checked_uuid("call_id", request.call_id)
        why = checked_text("reason", request.reason, 500)
        try:
            record = await self._calls.cancel(call_id, why)
        except MeshError as failure:
            record = await self._kept_of(call_id, failure)
            if record.finished_at is None:
                raise
        return pb.CancelCallResponse(call=from_record(record))

    async def get_call(self, request: pb.GetCallRequest, _: Call) -> pb.GetCallResponse:
        """How a call stands."""
        call_id = checked_uuid("call_id", request.call_id)
        try:
            record = await self._calls.get(call_id)
        except MeshError as failure:
            record = await self._kept_of(call_id, failure)
        return pb.GetCallResponse(call=from_record(record))

    async def _kept_of(self, call_id: str, failure: MeshError) -> CallRecord:
        """How a call stands whose node cannot tell; the failure when it is not kept."""
        try:
            return await self._returning.record(call_id)
        except CallNotFound:
            raise failure from None

    async def _read_on(
        self, call: Call, after: int, write: Callable[[pb.InvokeStreamResponse], Awaitable[None]]
    ) -> None:
        async with aclosing(self._returning.events(call.id, after)) as events:
            async for event in events:
                await write(self._kept(call.id, event))

    def _kept(self, call_id: str, event: StreamEvent | Gap) -> pb.InvokeStreamResponse:
        if isinstance(event, Gap):
            gap = pb.Gap(first_sequence=event.first, last_sequence=event.last)
            return pb.InvokeStreamResponse(call_id=call_id, sequence=event.last, gap=gap, resumable=True)
        output = self._checked(event.payload)
        return pb.InvokeStreamResponse(call_id=call_id, sequence=event.sequence, output=output, resumable=True)

    def _checked(self, payload: Payload) -> payload_pb2.Payload:
        message = passed_on(payload)
        check_size(message, self._limit)
        return message


class _Inputs:
    """The inputs of a conversation; who is cancelled while it waits for one may ask again, as of no generator."""

    def __init__(self, requests: AsyncIterator[pb.ConverseRequest], limit: int) -> None:
        self._requests, self._limit = requests, limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Payload:
        request = await anext(self._requests)
        if request.WhichOneof("frame") != "input":
            raise InvalidInput("open", "is the first frame and never a later one")
        return Carried(request.input, "input", self._limit)


class _Answer:
    """The one output of a unary call."""

    def __init__(self, agent: str, limit: int) -> None:
        """Of the agent alone: with the call itself, whose reply it takes, it would make a ring for the collector."""
        self._agent = agent
        self._limit = limit
        self._message: payload_pb2.Payload | None = None

    async def take(self, payload: Payload) -> None:
        """Keep the output; a second one breaks the protocol."""
        if self._message is not None:
            raise AgentProtocol(self._agent, "it answered a unary call twice")
        message = passed_on(payload)
        check_size(message, self._limit)
        self._message = message

    def output(self) -> payload_pb2.Payload:
        """The output; AgentProtocol when there was none."""
        if self._message is None:
            raise AgentProtocol(self._agent, "it ended a unary call without an output")
        return self._message


def _asked(fresh: Callable[[], str], request: Opening, call: Call) -> None:
    """Tell the layers what is asked, before any of them runs."""
    if isinstance(request, pb.InvokeStreamRequest):
        if request.HasField("resume"):
            _asked_to_read_on(request, call)
            return
        call.resumable = request.resumable if request.HasField("resumable") else True
    call.agent = checked_name("agent", request.agent)
    call.capability = checked_name("capability", request.capability) if request.capability else ""
    if request.call_id:
        call.id, call.chosen = checked_uuid("call_id", request.call_id), True
    else:
        call.id = fresh()
    call.unary = isinstance(request, pb.InvokeRequest)
    call.payload_bytes = 0 if isinstance(request, pb.ConverseOpen) else request.input.ByteSize()
    if request.budget:
        call.budget = checked_amounts("budget", dict(request.budget))
    if request.reserve:
        call.reserve = checked_amounts("reserve", dict(request.reserve))
    if not isinstance(request, pb.ConverseOpen) and request.idempotency_key:
        call.idempotency_key = checked_text("idempotency_key", request.idempotency_key, 255)


def _asked_to_read_on(request: pb.InvokeStreamRequest, call: Call) -> None:
    position = request.resume
    if len(request.ListFields()) > 1:
        raise InvalidInput("resume", "stands alone; leave all other fields out")
    call.id = checked_uuid("resume.call_id", position.call_id)
    if position.after_sequence < 0:
        raise InvalidInput("resume.after_sequence", f"{position.after_sequence} must be 0 or more")
    call.resumes, call.endless = position.after_sequence, True


def _asked_to_converse(fresh: Callable[[], str], request: pb.ConverseRequest | None, call: Call) -> None:
    if request is None or request.WhichOneof("frame") != "open":
        raise InvalidInput("open", "is required as the first frame")
    _asked(fresh, request.open, call)


def _asked_about(request: pb.GetCallRequest | pb.CancelCallRequest, call: Call) -> None:
    call.about = checked_uuid("call_id", request.call_id)


def questions(fresh: Callable[[], str]) -> Mapping[str, Callable[..., None]]:
    """What tells the layers what is asked, by the RPC; `fresh` makes the ids of calls whose callers name none."""
    service = f"/{DESCRIPTOR.full_name}"
    return {
        f"{service}/Invoke": partial(_asked, fresh),
        f"{service}/InvokeStream": partial(_asked, fresh),
        f"{service}/Converse": partial(_asked_to_converse, fresh),
        f"{service}/GetCall": _asked_about,
        f"{service}/CancelCall": _asked_about,
    }
