"""The audit: what happened, what happens, and whether the record of it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.watching import Watch, watched
from a2a_node.model.audit import AuditEvent, AuditFilter, Break
from a2a_node.model.tap import EndedCall, TapFilter
from a2a_node.wire.agents import timestamp
from a2a_node.wire.audit import from_filter, from_tap_filter, to_break, to_event, to_tapped
from a2amesh.v1 import audit_service_pb2 as pb

_LIST = Rpc("AuditService/ListEvents", pb.ListEventsRequest, pb.ListEventsResponse)
_WATCH = Rpc("AuditService/WatchEvents", pb.WatchEventsRequest, pb.WatchEventsResponse)
_VERIFY = Rpc("AuditService/VerifyLog", pb.VerifyLogRequest, pb.VerifyLogResponse)
_TAP = Rpc("AuditService/TapCalls", pb.TapCallsRequest, pb.TapCallsResponse)

VERIFYING = 3600.0  # seconds; a long log takes minutes
ALL = AuditFilter()
CALLS = TapFilter()


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """A watch stands: nothing that is written after this cursor is missed."""

    cursor: str


@dataclass(frozen=True, slots=True)
class Witnessed:
    """An event, and the cursor to continue after it."""

    cursor: str
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class EventGap:
    """Events of a chain that were no longer kept when this reader came for them."""

    cursor: str
    node_id: str
    first_sequence: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the log is whole, the first break of each broken chain, and what was read."""

    intact: bool
    breaks: Sequence[Break]
    chains: int
    events: int


@dataclass(frozen=True, slots=True)
class TapStarted:
    """The node tells of every call that ends from here on."""

    node_id: str


@dataclass(frozen=True, slots=True)
class CallsMissed:
    """Calls that ended faster than they were read."""

    calls: int


class Audit:
    """The events of all nodes, and the calls of the node that is asked."""

    def __init__(self, connection: Anywhere) -> None:
        self._nodes, self._connection = connection.nodes, connection

    async def list(
        self, wanted: AuditFilter = ALL, *, start: datetime | None = None, end: datetime | None = None
    ) -> AsyncIterator[AuditEvent]:
        """Events from `start` on and before `end`, the newest first, fetched page by page."""
        request = pb.ListEventsRequest(
            filter=from_filter(wanted), start_time=timestamp(start), end_time=timestamp(end), page_size=500
        )
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.events:
                yield to_event(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def watch(
        self, wanted: AuditFilter = ALL, after: str = ""
    ) -> AsyncIterator[WatchStarted | Witnessed | EventGap]:
        """Events as they are written on any node, or those after a cursor; `WatchStarted` comes first.

        When its node is lost, the watch goes on at the next one, without an event lost or told twice.
        """
        request = pb.WatchEventsRequest(filter=from_filter(wanted), after_cursor=after)
        async with aclosing(watched(self._nodes, _WATCHING, request)) as changes:
            async for message in changes:
                kind = message.WhichOneof("change")
                if kind == "event":
                    yield Witnessed(message.cursor, to_event(message.event))
                elif kind == "gap":
                    gap = message.gap
                    yield EventGap(message.cursor, gap.node_id, gap.first_sequence, gap.last_sequence)
                elif kind == "started":
                    yield WatchStarted(message.cursor)

    async def verify(
        self, node_id: str = "", *, start: datetime | None = None, end: datetime | None = None
    ) -> Verification:
        """Compute the chains again, one or all of them; NodeNotFound for a chain that there is not."""
        request = pb.VerifyLogRequest(node_id=node_id, start_time=timestamp(start), end_time=timestamp(end))
        answer = await self._connection.ask(_VERIFY, request, terms(VERIFYING))
        breaks = [to_break(message) for message in answer.breaks]
        return Verification(answer.intact, breaks, answer.verified_chains, answer.verified_events)

    async def tap(self, wanted: TapFilter = CALLS) -> AsyncIterator[TapStarted | EndedCall | CallsMissed]:
        """Calls of the node that is asked, as they end; `TapStarted` comes first."""
        async for message in self._connection.listen(_TAP, from_tap_filter(wanted), terms()):
            kind = message.WhichOneof("change")
            if kind == "call":
                yield to_tapped(message.call)
            elif kind == "missed":
                yield CallsMissed(message.missed.calls)
            elif kind == "started":
                yield TapStarted(message.started.node_id)


def _moved(request: pb.WatchEventsRequest, told: pb.WatchEventsResponse) -> None:
    request.after_cursor = told.cursor


def _again(_: pb.WatchEventsRequest, told: pb.WatchEventsResponse) -> Iterable[pb.WatchEventsResponse]:
    return () if told.HasField("started") else (told,)


_WATCHING = Watch(_WATCH, _moved, _again)
