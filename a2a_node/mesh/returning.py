"""Clients that come back for a call, to any node: whose it is, how it stands, and what they missed of its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import suppress
from dataclasses import replace

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.chosen import Find, unknown
from a2a_node.model.call import Call, CallRecord, CallStatus, Proceed
from a2a_node.model.errors import CallNotFound, StoreUnavailable, StreamNotFound
from a2a_node.model.permissions import covers
from a2a_node.model.state import Gap
from a2a_node.model.stream_ports import Streams
from a2a_node.model.streams import StreamEvent, StreamPart

MARGIN = 0.01  # seconds beyond a lease, after which the store agrees that it is over


class Returning:
    """Reads what any node of the mesh keeps."""

    def __init__(self, streams: Streams, calls: Calls, lease: float, find: Find = unknown) -> None:
        """`find` looks for what is noted of calls whose ids their clients chose."""
        self._find = find
        self._streams, self._calls = streams, calls
        self._pulse = lease / 3  # how often a reader that waits is heard of

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """The layer: whoever reads on asks for the agent of that call, and began it; StreamNotFound for others.

        Whoever asks about a call, or cancels it, may do so where it is its own.
        """
        return self._returned(call, proceed) if call.about or call.resumes is not None else proceed(call)

    async def _returned(self, call: Call, proceed: Proceed) -> None:
        if call.about:
            call.own = call.own or await self._own(call)
        if call.resumes is not None:
            part = await self._streams.look(call.id)
            if part.principal != str(call.principal):
                raise StreamNotFound(call.id)
            call.agent, call.capability = part.record.agent, part.record.capability
        await proceed(call)

    async def _own(self, call: Call) -> bool:
        """Whether the caller began it, by a key that could; an agent at work for others has none of its own."""
        if call.envelope is not None and call.envelope.authority:
            return False
        begun = self._calls.begun_by(call.about) or await self._begun(call.about)
        if begun is None:
            return False
        principal, agent = begun
        bound = call.scopes is not None and not any(covers(one, f"agent:{agent}:invoke") for one in call.scopes)
        return principal == str(call.principal) and not bound

    async def _begun(self, call_id: str) -> tuple[str, str] | None:
        """Who began a call on any node, and of which agent, where that is kept or noted."""
        with suppress(StreamNotFound, StoreUnavailable):
            part = await self._streams.look(call_id)
            return part.principal, part.record.agent
        noted = await self._find(call_id)
        return None if noted is None else (noted.principal, noted.agent)

    async def look(self, call_id: str) -> StreamPart:
        """How the stream of a call stands, without its events; StreamNotFound."""
        return await self._streams.look(call_id)

    async def record(self, call_id: str) -> CallRecord:
        """How a call stands that is kept, and runs or ran on any node; CallNotFound."""
        try:
            part = await self._streams.look(call_id)
            if not (part.unary and part.last):
                return part.record
            part = await self._streams.read(call_id, 0)
        except StreamNotFound:
            raise CallNotFound(call_id) from None
        return replace(part.record, output=part.events[0].payload)

    async def events(self, call_id: str, after: int) -> AsyncGenerator[StreamEvent | Gap, None]:
        """What follows a sequence until the call ends; then raises what it ended with, if that was a failure."""
        async with self._streams.news(call_id) as news:
            while True:
                part = await self._streams.read(call_id, after)
                for event in _heard(part, after):
                    yield event
                    after = event.last if isinstance(event, Gap) else event.sequence
                if after < part.last:
                    continue
                if part.record.status is not CallStatus.RUNNING:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(part.lease + MARGIN, self._pulse)):
                        await news.wait()
        if part.record.error is not None:
            raise part.record.error


def _heard(part: StreamPart, after: int) -> Iterator[StreamEvent | Gap]:
    """The events, and before them the gap that a reader at that place has missed."""
    first = part.events[0].sequence if part.events else part.last + 1
    if first > after + 1:
        yield Gap(after + 1, first - 1)
    yield from part.events
