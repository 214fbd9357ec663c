"""Audit events, filters and tapped calls to messages and back."""

from __future__ import annotations

from datetime import UTC, datetime

from a2a_node.model.audit import AuditDecision, AuditEvent, AuditFilter, AuditOutcome, Break, Detail, Fact
from a2a_node.model.tap import EndedCall, TapFilter
from a2a_node.wire.agents import duration, seconds, timestamp
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2amesh.v1 import audit_service_pb2 as pb

TEXTS = (
    *("action", "target", "user_id", "agent_id", "server_id", "reason"),
    *("ip_address", "user_agent", "trace_id", "call_id"),
)
EQUAL = ("action", "user_id", "agent_id", "server_id", "node_id", "trace_id", "call_id")
TAPPED = (
    *("method", "agent", "capability", "principal", "user_id", "reason"),
    *("call_id", "trace_id", "ip_address"),
)

_DECISIONS = {one: pb.AuditDecision.Value(f"AUDIT_DECISION_{one.name}") for one in AuditDecision}
_OUTCOMES = {one: pb.AuditOutcome.Value(f"AUDIT_OUTCOME_{one.name}") for one in AuditOutcome}


def from_event(event: AuditEvent) -> pb.AuditEvent:
    """The message of an event."""
    fact = event.fact
    return pb.AuditEvent(
        event_id=fact.id,
        event_time=timestamp(fact.timestamp),
        node_id=event.node_id,
        sequence=event.sequence,
        decision=_DECISIONS[fact.decision],
        outcome=_OUTCOMES[fact.outcome],
        call_path=fact.call_path,
        metadata=from_mapping(dict(fact.metadata), "metadata") if fact.metadata else None,
        previous_hash=event.previous_hash,
        hash=event.hash,
        **{name: getattr(fact, name) for name in TEXTS},
    )


def to_event(message: pb.AuditEvent) -> AuditEvent:
    """The event of a message; its hash can be computed again from it."""
    fact = Fact(
        id=message.event_id,
        timestamp=message.event_time.ToDatetime(UTC),
        decision=to_decision(message.decision) or AuditDecision.ALLOWED,
        outcome=to_outcome(message.outcome) or AuditOutcome.SUCCEEDED,
        call_path=tuple(message.call_path),
        metadata={name: _detail(value) for name, value in to_mapping(message.metadata).items()},
        **{name: getattr(message, name) for name in TEXTS},
    )
    return AuditEvent(fact, message.node_id, message.sequence, message.previous_hash, message.hash)


def from_filter(wanted: AuditFilter) -> pb.AuditFilter:
    """The message of a filter."""
    return pb.AuditFilter(
        decision=pb.AUDIT_DECISION_UNSPECIFIED if wanted.decision is None else _DECISIONS[wanted.decision],
        outcome=from_outcome(wanted.outcome),
        **{name: getattr(wanted, name) for name in EQUAL},
    )


def to_filter(message: pb.AuditFilter) -> AuditFilter:
    """The filter of a message."""
    return AuditFilter(
        decision=to_decision(message.decision),
        outcome=to_outcome(message.outcome),
        **{name: getattr(message, name) for name in EQUAL},
    )


def from_break(broken: Break) -> pb.AuditBreak:
    """The message of a break."""
    return pb.AuditBreak(
        node_id=broken.node_id,
        sequence=broken.sequence,
        event_id=broken.event_id,
        expected_hash=broken.expected_hash,
        actual_hash=broken.actual_hash,
        explanation=broken.explanation,
    )


def to_break(message: pb.AuditBreak) -> Break:
    """The break of a message."""
    return Break(
        message.node_id,
        message.sequence,
        message.explanation,
        message.event_id,
        message.expected_hash,
        message.actual_hash,
    )


def from_tapped(call: EndedCall) -> pb.TappedCall:
    """The message of a call that has ended."""
    return pb.TappedCall(
        end_time=timestamp(datetime.fromtimestamp(call.ended_at, UTC)),
        duration=duration(call.seconds),
        outcome=_OUTCOMES[call.outcome],
        call_path=call.call_path,
        **{name: getattr(call, name) for name in TAPPED},
    )


def to_tapped(message: pb.TappedCall) -> EndedCall:
    """The ended call of a message."""
    return EndedCall(
        ended_at=message.end_time.ToDatetime(UTC).timestamp(),
        seconds=seconds(message.duration),
        outcome=to_outcome(message.outcome) or AuditOutcome.SUCCEEDED,
        call_path=tuple(message.call_path),
        **{name: getattr(message, name) for name in TAPPED},
    )


def from_tap_filter(wanted: TapFilter) -> pb.TapCallsRequest:
    """The request for the calls that are meant."""
    return pb.TapCallsRequest(
        agent=wanted.agent,
        capability=wanted.capability,
        user_id=wanted.user_id,
        outcome=from_outcome(wanted.outcome),
        all_rpcs=wanted.all_rpcs,
    )


def from_outcome(outcome: AuditOutcome | None) -> pb.AuditOutcome.ValueType:
    """The enum value of an outcome; unspecified for None."""
    return pb.AUDIT_OUTCOME_UNSPECIFIED if outcome is None else _OUTCOMES[outcome]


def to_outcome(value: int) -> AuditOutcome | None:
    """The outcome of an enum value; None when it says nothing."""
    return next((one for one, number in _OUTCOMES.items() if number == value), None)


def to_decision(value: int) -> AuditDecision | None:
    """The decision of an enum value; None when it says nothing."""
    return next((one for one, number in _DECISIONS.items() if number == value), None)


def _detail(value: object) -> Detail:
    return value if isinstance(value, int | str) else str(value)
