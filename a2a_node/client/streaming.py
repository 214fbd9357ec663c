"""A stream that outlives its connection: read on by itself, at the same node or the next one, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from itertools import cycle
from time import monotonic
from typing import cast

from a2a_node.client.anywhere import NOT_BEGUN, Anywhere
from a2a_node.client.connection import Connection, lost
from a2a_node.client.rpcs import CANCEL, INVOKE_STREAM, Rpc
from a2a_node.model.call import Terms
from a2a_node.model.errors import MeshError, NodeDraining, RateLimited, StoreUnavailable, StreamNotFound
from a2amesh.v1 import agent_service_pb2 as pb

GET = Rpc("AgentService/GetCall", pb.GetCallRequest, pb.GetCallResponse)

PATIENCE = 30.0  # seconds without an answer of any node; the nodes' own patience with streams that nobody reads
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0  # seconds between rounds over all nodes
PARTING = 1.0  # seconds to tell a node that nobody wants the call any more

Event = pb.InvokeStreamResponse


@dataclass(slots=True, eq=False)
class _Place:
    """How far a reader has come, and whether it could come back."""

    asked: str  # the id that the call was given here
    resumable: bool
    call_id: str  # the same, or that of an earlier one under the same idempotency key
    after: int = 0

    def outlives(self) -> bool:
        """Whether the call was begun here, and goes on when its reader only hangs up."""
        return self.resumable and self.call_id == self.asked


class Streaming:
    """Streams through these nodes: begun at the first, read on at any."""

    def __init__(self, nodes: Anywhere) -> None:
        self._nodes = nodes
        self._read: set[_Place] = set()  # what has not ended yet

    async def close(self) -> None:
        """Cancel what is still read, or was dropped a moment ago; the nodes are not asked for anything later."""
        await asyncio.gather(*map(self._part, self._read))

    async def events(self, request: pb.InvokeStreamRequest, within: Terms) -> AsyncGenerator[Event, None]:
        """The events of a call, each once and in order; closing the iterator cancels the call. Any MeshError."""
        resumable = not request.HasField("resumable") or request.resumable
        place = _Place(request.call_id, resumable, request.call_id)
        self._read.add(place)
        try:
            async with aclosing(self._all(request, within, place)) as events:
                async for event in events:
                    yield event
            self._read.discard(place)
        except MeshError:
            self._read.discard(place)
            raise
        finally:
            await self._part(place)

    async def _all(self, request: pb.InvokeStreamRequest, within: Terms, place: _Place) -> AsyncGenerator[Event, None]:
        end = None if within.time_left is None else monotonic() + within.time_left
        try:
            async with aclosing(self._begun(request, within, place)) as events:
                async for event in events:
                    yield event
        except MeshError as failure:
            if not (place.resumable and lost(failure)):
                raise
            first = failure
        else:
            return
        async with aclosing(self._rest(request, replace(within, time_left=end), place, first)) as events:
            async for event in events:
                yield event

    async def _begun(
        self, request: pb.InvokeStreamRequest, within: Terms, place: _Place
    ) -> AsyncGenerator[Event, None]:
        """The events of the first node that begins the call; at work only one can."""
        *others, last = self._nodes.ring()[: 1 if within.token else None]
        for node in others:
            try:
                async with aclosing(self._part_of(node, request, within, place)) as events:
                    async for event in events:
                        yield event
            except NOT_BEGUN as failure:
                if place.after:
                    raise
                self._nodes.leave(node, failure)
            else:
                return
        async with aclosing(self._part_of(last, request, within, place)) as events:
            async for event in events:
                yield event

    async def _rest(
        self, request: pb.InvokeStreamRequest, until: Terms, place: _Place, first: MeshError
    ) -> AsyncGenerator[Event, None]:
        """Go round the nodes until one tells how the call ended; `until.time_left` is a time of the clock here."""
        patience, wait = monotonic() + PATIENCE, FIRST_WAIT
        left_last, *others = self._nodes.ring()
        for number, node in enumerate(cycle((*others, left_last))):  # the one that was lost comes last
            if number and not number % (1 + len(others)):
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            before = place.after
            left = None if until.time_left is None else max(0.0, until.time_left - monotonic())
            asked = self._part_of(node, _next(request, place), replace(until, time_left=left), place)
            try:
                async with aclosing(asked) as events:
                    async for event in events:
                        yield event
            except StreamNotFound:
                raise first from None  # it had not begun, or could not be kept: what was lost is lost
            except MeshError as failure:
                if not place.resumable or not (lost(failure) or await self._passes(node, place.call_id, failure)):
                    raise
                if place.after > before:
                    patience, wait = monotonic() + PATIENCE, FIRST_WAIT
                if monotonic() > patience:
                    raise
            else:
                return

    async def _part_of(
        self, node: Connection, request: pb.InvokeStreamRequest, within: Terms, place: _Place
    ) -> AsyncGenerator[Event, None]:
        heard = cast("AsyncGenerator[Event, None]", node.listen(INVOKE_STREAM, request, within))
        async with aclosing(heard) as events:
            async for event in events:
                place.after, place.resumable, place.call_id = event.sequence, event.resumable, event.call_id
                yield event

    async def _passes(self, node: Connection, call_id: str, failure: MeshError) -> bool:
        """Whether a node only cannot tell for now; it may also be what the call itself ended with."""
        if not isinstance(failure, NodeDraining | StoreUnavailable | RateLimited):
            return False
        try:
            answer = await node.ask(GET, pb.GetCallRequest(call_id=call_id), Terms(time_left=PARTING))
        except MeshError:
            return True
        return not answer.call.HasField("finish_time")

    async def _part(self, place: _Place) -> None:
        """Nobody wants a call any more that has not ended; a node that is not told ends it after its own patience."""
        request = pb.CancelCallRequest(call_id=place.asked, reason="its client wants no more of it")
        try:
            for node in self._nodes.ring() if place in self._read and place.outlives() else ():
                with suppress(MeshError):
                    await node.ask(CANCEL, request, Terms(time_left=PARTING))
                    return
        finally:
            self._read.discard(place)


def _next(request: pb.InvokeStreamRequest, place: _Place) -> pb.InvokeStreamRequest:
    """What is asked once the connection was lost: the same again, where a key makes that safe, or what follows."""
    if request.idempotency_key and not place.after:
        return request
    position = pb.StreamPosition(call_id=place.call_id, after_sequence=place.after)
    return pb.InvokeStreamRequest(resume=position)
