"""AuditService: what happened, what happens, and whether the record of it is whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.audit.tap import Missed, Tap
from a2a_node.audit.verifying import verified
from a2a_node.audit.watching import Lost, Seen, Started, Watching
from a2a_node.model.audit import LONGEST, AuditFilter, Span
from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid
from a2a_node.model.names import checked_text
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.tap import TapFilter
from a2a_node.wire.audit import EQUAL, from_break, from_event, from_tapped, to_decision, to_filter, to_outcome
from a2amesh.v1 import audit_service_pb2 as pb

CURSORS = "audit cursors"


class AuditService:
    """The record of what happened, by a store; `watching` and `tap` tell of what happens now."""

    descriptor = pb.DESCRIPTOR.services_by_name["AuditService"]

    def __init__(self, log: AuditLog, watching: Watching, tap: Tap, node_id: str) -> None:
        self._log, self._watching, self._tap, self._node_id = log, watching, tap, node_id

    async def list_events(self, request: pb.ListEventsRequest, _: Call) -> pb.ListEventsResponse:
        """The events that fit, the newest first."""
        wanted, span, size = _wanted(request.filter), _span(request), page_size(request.page_size)
        scope = repr((wanted, span))
        found = await self._log.list(wanted, span, _place(after_token(scope, request.page_token)), size + 1)
        page = found[:size]
        return pb.ListEventsResponse(
            events=[from_event(event) for event in page],
            next_page_token=page_token(scope, str(page[-1].position)) if len(found) > size else "",
        )

    async def watch_events(
        self, request: pb.WatchEventsRequest, _: Call
    ) -> AsyncGenerator[pb.WatchEventsResponse, None]:
        """Events as they are written, on any node."""
        events = self._watching.watch(_wanted(request.filter), _after(request.after_cursor))
        async with aclosing(events):
            async for seen in events:
                yield _seen(seen)

    async def verify_log(self, request: pb.VerifyLogRequest, _: Call) -> pb.VerifyLogResponse:
        """Whether the chains are whole."""
        verdict = await verified(self._log, checked_text("node_id", request.node_id, LONGEST), _span(request))
        return pb.VerifyLogResponse(
            intact=not verdict.breaks,
            breaks=[from_break(found) for found in verdict.breaks],
            verified_chains=verdict.chains,
            verified_events=verdict.events,
        )

    async def tap_calls(
        self, request: pb.TapCallsRequest, _: Call, write: Callable[[pb.TapCallsResponse], Awaitable[None]]
    ) -> None:
        """Calls of this node as they end."""
        reading = self._tap.read(_tapped(request))
        async with aclosing(reading):
            async for tapped in reading:
                if tapped is None:
                    await write(pb.TapCallsResponse(started=pb.TapCallsStarted(node_id=self._node_id)))
                elif isinstance(tapped, Missed):
                    await write(pb.TapCallsResponse(missed=pb.TapCallsMissed(calls=tapped.calls)))
                else:
                    await write(pb.TapCallsResponse(call=from_tapped(tapped)))


def _wanted(message: pb.AuditFilter) -> AuditFilter:
    for name in EQUAL:
        checked_text(f"filter.{name}", getattr(message, name), LONGEST)
    if "*" in message.action[:-1]:
        raise InvalidInput("filter.action", f"{message.action!r} may have a `*` at its end and nowhere else")
    if message.decision and to_decision(message.decision) is None:
        raise InvalidInput("filter.decision", f"{message.decision} is no decision")
    if message.outcome and to_outcome(message.outcome) is None:
        raise InvalidInput("filter.outcome", f"{message.outcome} is no outcome")
    return to_filter(message)


def _tapped(request: pb.TapCallsRequest) -> TapFilter:
    for name in ("agent", "capability", "user_id"):
        checked_text(name, getattr(request, name), LONGEST)
    outcome = to_outcome(request.outcome)
    if request.outcome and outcome is None:
        raise InvalidInput("outcome", f"{request.outcome} is no outcome")
    return TapFilter(request.agent, request.capability, request.user_id, outcome, request.all_rpcs)


def _span(request: pb.ListEventsRequest | pb.VerifyLogRequest) -> Span:
    start = _moment("start_time", request.start_time) if request.HasField("start_time") else None
    end = _moment("end_time", request.end_time) if request.HasField("end_time") else None
    return Span(start, end)


def _moment(field: str, message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(field, "is no time between the years 1 and 9999") from None


def _place(text: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        raise PageTokenInvalid from None


def _after(cursor: str) -> int | None:
    try:
        return _place(after_token(CURSORS, cursor))
    except PageTokenInvalid:
        raise InvalidInput("after_cursor", "is no cursor of this stream; begin again without it") from None


def _cursor(position: int) -> str:
    return page_token(CURSORS, str(position))


def _seen(seen: Seen) -> pb.WatchEventsResponse:
    if isinstance(seen, Started):
        return pb.WatchEventsResponse(cursor=_cursor(seen.position), started=pb.WatchEventsStarted())
    if isinstance(seen, Lost):
        gap = pb.AuditGap(node_id=seen.node_id, first_sequence=seen.first, last_sequence=seen.last)
        return pb.WatchEventsResponse(cursor=_cursor(seen.position), gap=gap)
    return pb.WatchEventsResponse(cursor=_cursor(seen.position), event=from_event(seen))
