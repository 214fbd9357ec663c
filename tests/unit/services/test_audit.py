"""AuditService: what a client sends is converted, done and answered, and what is wrong is named by its field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from a2a_node.audit.tap import Tap
from a2a_node.audit.watching import Watching
from a2a_node.model.audit import AuditDecision, AuditOutcome, Fact, hashed
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid
from a2a_node.model.tap import EndedCall
from a2a_node.services.audit import AuditService
from a2a_node.testing import Clock, MemoryAuditLog
from a2a_node.wire.audit import to_event
from a2amesh.v1 import audit_service_pb2 as pb


async def done(_: Call) -> None:
    """Nothing more to do."""


CALL = Call(method="/m", rest=done)
ENDED = EndedCall(
    1795737828.5,
    0.25,
    "/a2amesh.v1.AgentService/Invoke",
    "echo",
    "say",
    "agent:crowd",
    "person:ann",
    AuditOutcome.FAILED,
    "AGENT_LOST",
    "c-1",
    ("crowd",),
    "ab" * 16,
    "10.0.0.7",
)


class House:
    """The service, its store and its tap."""

    def __init__(self, log: MemoryAuditLog, watching: Watching) -> None:
        self.log, self.tap = log, Tap()
        self.service = AuditService(log, watching, self.tap, "n1")

    async def happens(self, *users: str) -> None:
        """Somebody does something, one after the other, a second apart."""
        clock = Clock()
        facts = []
        for user in users:
            clock.advance(1)
            facts.append(Fact("session:create", user_id=user, timestamp=clock(), metadata={"n": 1, "word": "two"}))
        await self.log.append("n1", facts)

    async def users(self, **request: object) -> list[str]:
        """Whose events are listed."""
        answer = await self.service.list_events(ParseDict(request, pb.ListEventsRequest()), CALL)
        return [event.user_id for event in answer.events]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Nothing has happened."""
    log = MemoryAuditLog()
    async with Watching.watching(log) as watching:
        yield House(log, watching)


async def test_events_are_listed_page_by_page(house: House) -> None:
    """The newest first; a token of other filters is refused."""
    await house.happens("a", "b", "c", "d", "e")
    request = pb.ListEventsRequest(page_size=2)
    pages = []
    while True:
        page = await house.service.list_events(request, CALL)
        pages.append([event.user_id for event in page.events])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert pages == [["e", "d"], ["c", "b"], ["a"]]
    request.filter.action = "cache:*"
    with pytest.raises(PageTokenInvalid):
        await house.service.list_events(request, CALL)


async def test_events_are_filtered_by_fields_and_time(house: House) -> None:
    """From a time on, before another."""
    await house.happens("a", "b", "c")
    assert await house.users(filter={"user_id": "b"}) == ["b"]
    assert await house.users(filter={"action": "session:*", "decision": "AUDIT_DECISION_REFUSED"}) == []
    assert await house.users(start_time="2030-01-01T00:00:02Z") == ["c", "b"]
    assert await house.users(start_time="2030-01-01T00:00:02Z", end_time="2030-01-01T00:00:03Z") == ["b"]


async def test_whoever_reads_an_event_can_compute_its_hash(house: House) -> None:
    """From the message alone."""
    await house.happens("a", "b")
    for message in (await house.service.list_events(pb.ListEventsRequest(), CALL)).events:
        event = to_event(pb.AuditEvent.FromString(message.SerializeToString()))
        assert event.hash == hashed(event.fact, event.node_id, event.sequence, event.previous_hash)
        assert event.fact.metadata == {"n": 1, "word": "two"}
        assert (event.fact.decision, event.fact.outcome) == (AuditDecision.ALLOWED, AuditOutcome.SUCCEEDED)


async def asked(service: AuditService, request: Message) -> None:
    """Send a request to the RPC that it is of."""
    if isinstance(request, pb.ListEventsRequest):
        await service.list_events(request, CALL)
    elif isinstance(request, pb.WatchEventsRequest):
        async with aclosing(service.watch_events(request, CALL)) as events:
            await anext(events)
    elif isinstance(request, pb.VerifyLogRequest):
        await service.verify_log(request, CALL)
    elif isinstance(request, pb.TapCallsRequest):
        await service.tap_calls(request, CALL, unwritten)


@pytest.mark.parametrize(
    ("field", "request_type", "fields"),
    [
        ("filter.action", pb.ListEventsRequest, {"filter": {"action": "*:create"}}),
        ("filter.user_id", pb.WatchEventsRequest, {"filter": {"userId": "x" * 256}}),
        ("filter.decision", pb.ListEventsRequest, {"filter": {"decision": 9}}),
        ("filter.outcome", pb.WatchEventsRequest, {"filter": {"outcome": 9}}),
        ("page_size", pb.ListEventsRequest, {"pageSize": -1}),
        ("after_cursor", pb.WatchEventsRequest, {"afterCursor": "nonsense"}),
        ("node_id", pb.VerifyLogRequest, {"nodeId": "x" * 256}),
        ("outcome", pb.TapCallsRequest, {"outcome": 9}),
        ("agent", pb.TapCallsRequest, {"agent": "x" * 256}),
    ],
)
async def test_what_is_wrong_is_named_by_its_field(
    house: House, field: str, request_type: type[Message], fields: dict[str, object]
) -> None:
    """Whichever RPC it is sent to."""
    request = ParseDict(fields, request_type())
    with pytest.raises(InvalidInput) as refused:
        await asked(house.service, request)
    assert refused.value.violations[0][0] == field


async def unwritten(_: pb.TapCallsResponse) -> None:
    """Nobody reads."""


async def test_a_watch_begins_with_a_cursor_and_goes_on_from_any(house: House) -> None:
    """Every message has one; what is no longer kept is a gap."""
    await house.happens("a", "b", "c")
    async with aclosing(house.service.watch_events(pb.WatchEventsRequest(), CALL)) as events:
        started = await anext(events)
        assert started.WhichOneof("change") == "started"
        await house.happens("d")
        told = await anext(events)
        assert told.event.user_id == "d"
    del house.log.events[3]
    await house.happens("e")
    again = pb.WatchEventsRequest(after_cursor=started.cursor)
    async with aclosing(house.service.watch_events(again, CALL)) as events:
        assert (await anext(events)).cursor == started.cursor
        gap = (await anext(events)).gap
        assert (gap.node_id, gap.first_sequence, gap.last_sequence) == ("n1", 4, 4)
        assert (await anext(events)).event.user_id == "e"


async def test_a_broken_log_is_told_with_its_breaks(house: House) -> None:
    """And how much was read."""
    await house.happens("a", "b")
    whole = await house.service.verify_log(pb.VerifyLogRequest(), CALL)
    assert MessageToDict(whole) == {"intact": True, "verifiedChains": "1", "verifiedEvents": "2"}
    removed = house.log.events.pop(0)
    broken = await house.service.verify_log(pb.VerifyLogRequest(node_id="n1"), CALL)
    assert (broken.intact, broken.breaks[0].node_id, broken.breaks[0].sequence) == (False, "n1", removed.sequence)
    assert broken.breaks[0].explanation.startswith("it was removed")


async def test_calls_are_told_as_they_end(house: House) -> None:
    """After a word that they will be."""
    told: list[pb.TapCallsResponse] = []

    async def write(response: pb.TapCallsResponse) -> None:
        told.append(response)
        if len(told) == 1:
            house.tap.tell(ENDED)
        else:
            raise InvalidInput("enough", "was told")

    with pytest.raises(InvalidInput, match="enough"):
        await house.service.tap_calls(pb.TapCallsRequest(user_id="person:ann"), CALL, write)
    assert told[0].started.node_id == "n1"
    assert MessageToDict(told[1].call) == {
        "endTime": "2026-11-27T00:03:48.500Z",
        "duration": "0.250s",
        "method": "/a2amesh.v1.AgentService/Invoke",
        "agent": "echo",
        "capability": "say",
        "principal": "agent:crowd",
        "userId": "person:ann",
        "outcome": "AUDIT_OUTCOME_FAILED",
        "reason": "AGENT_LOST",
        "callId": "c-1",
        "callPath": ["crowd"],
        "traceId": "ab" * 16,
        "ipAddress": "10.0.0.7",
    }
    assert not house.tap.readers
