"""The audit: facts, the chains that hold them, and what a chain tells of somebody who changed it.

An event is a fact in its place in the chain of the node that recorded it. Its hash is SHA-256 over the hash of the
event before and all its other fields in canonical form, so that none can be changed, removed or inserted without a
break.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from a2a_node.model.names import fresh_uuid

FIRST_HASH = "0" * 64  # stands before the first event of a chain
LONGEST = 255  # characters of an action, a target or what a caller calls itself
MOST_BREAKS = 100
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Detail: TypeAlias = str | int  # what JSON and Postgres write in one way only; floats are not among it


class AuditDecision(StrEnum):
    """Whether something was let through."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class AuditOutcome(StrEnum):
    """What came of it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Fact:
    """Who did what, to what, with which outcome; empty texts stand for what there was none of."""

    action: str  # `resource:action`
    decision: AuditDecision = AuditDecision.ALLOWED
    outcome: AuditOutcome = AuditOutcome.SUCCEEDED
    reason: str = ""
    target: str = ""
    user_id: str = ""
    agent_id: str = ""
    server_id: str = ""
    ip_address: str = ""
    user_agent: str = ""
    trace_id: str = ""
    call_id: str = ""
    call_path: tuple[str, ...] = ()
    metadata: Mapping[str, Detail] = field(default_factory=dict)
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=fresh_uuid)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A fact in its place in a chain."""

    fact: Fact
    node_id: str  # who recorded it, and whose chain it is
    sequence: int  # from 1, without gaps
    previous_hash: str
    hash: str
    position: int = 0  # among the events of all nodes, in the order of writing; no part of the chain
    missing: int = 0  # how many events of its chain before it are not kept


def chained(node_id: str, facts: Sequence[Fact], sequence: int, last: str) -> Sequence[AuditEvent]:
    """The events of facts that follow the event of that sequence and hash; 0 and FIRST_HASH for a new chain."""
    events = []
    for place, fact in enumerate(facts, sequence + 1):
        event = AuditEvent(fact, node_id, place, last, hashed(fact, node_id, place, last))
        events.append(event)
        last = event.hash
    return events


def hashed(fact: Fact, node_id: str, sequence: int, previous: str) -> str:
    """SHA-256 over what came before and the fact in canonical form: JSON, keys sorted, no spaces, time in µs."""
    fields = {name: getattr(fact, name) for name in Fact.__slots__}
    told = {
        **fields,
        "timestamp": fact.timestamp.astimezone(UTC).isoformat(timespec="microseconds"),
        "metadata": dict(fact.metadata),
        "node_id": node_id,
        "sequence": sequence,
        "previous_hash": previous,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def plain(text: str, longest: int = LONGEST) -> str:
    """A text that every store can keep and every terminal show: cut, and without what is no character."""
    return text[:longest] if text.isprintable() else _UNPRINTABLE.sub("?", text[:longest])


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events are meant; what is empty is not looked at."""

    action: str = ""  # or its beginning, followed by `*`
    user_id: str = ""
    agent_id: str = ""
    server_id: str = ""
    node_id: str = ""
    decision: AuditDecision | None = None
    outcome: AuditOutcome | None = None
    trace_id: str = ""
    call_id: str = ""

    def fits(self, event: AuditEvent) -> bool:
        """Whether an event is meant."""
        fact, same = event.fact, ("user_id", "agent_id", "server_id", "trace_id", "call_id")
        return (
            self._acted(fact.action)
            and self.node_id in ("", event.node_id)
            and self.decision in (None, fact.decision)
            and self.outcome in (None, fact.outcome)
            and all(getattr(self, name) in ("", getattr(fact, name)) for name in same)
        )

    def _acted(self, action: str) -> bool:
        return action.startswith(self.action[:-1]) if self.action.endswith("*") else self.action in ("", action)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time: from `start` on, before `end`; None where it has no bound."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The end of a chain, as it is kept apart from its events: what was removed there is missed."""

    node_id: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is broken."""

    node_id: str
    sequence: int
    explanation: str
    event_id: str = ""
    expected_hash: str = ""
    actual_hash: str = ""


def broken(event: AuditEvent, sequence: int, last: str | None) -> Break | None:
    """What is wrong with an event that should be of that sequence and follow that hash; None for any hash."""
    fact, node = event.fact, event.node_id
    if event.sequence != sequence:
        return missing(node, sequence, f"it was removed: event {event.sequence} comes next")
    if last is not None and event.previous_hash != last:
        why = "it does not follow the event before: one of them was put in the place of another"
        return Break(node, sequence, why, fact.id, last, event.previous_hash)
    expected = hashed(fact, node, sequence, event.previous_hash)
    if event.hash != expected:
        return Break(node, sequence, "it was changed after it was written", fact.id, expected, event.hash)
    return None


def missing(node_id: str, sequence: int, why: str) -> Break:
    """The break where an event is missing."""
    return Break(node_id, sequence, why)


def inserted(event: AuditEvent, head: ChainHead) -> Break:
    """The break where an event follows the end of its chain."""
    why = f"it was inserted: the node wrote {head.sequence} events"
    return Break(event.node_id, event.sequence, why, event.fact.id, head.hash, event.previous_hash)
