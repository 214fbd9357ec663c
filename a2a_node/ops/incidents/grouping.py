"""Failures that are alike, counted together: by reason, agent and capability; lines of the log by their message."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from a2a_node.model.audit import AuditEvent, AuditOutcome
from a2a_node.model.ops_ports import LogLine
from a2a_node.model.tap import EndedCall
from a2a_node.ops.incidents.words import Edge, Group, Place

EXAMPLES = 3
TOO_FAST = "RATE_LIMITED"
FAILED = (AuditOutcome.FAILED, AuditOutcome.REFUSED)
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
HEX = re.compile(r"\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{12,})\b", re.IGNORECASE)
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def normalised(message: str) -> str:
    """A message without what differs from time to time: ids, numbers, and whatever is quoted."""
    for pattern, name in ((UUID, "<id>"), (HEX, "<hex>"), (QUOTED, "<text>"), (NUMBER, "<n>")):
        message = pattern.sub(name, message)
    return " ".join(message.split())


def failures(calls: Iterable[EndedCall]) -> list[Group]:
    """The calls that failed, by reason, agent and capability, the most frequent first."""
    alike: dict[tuple[str, str, str], list[EndedCall]] = defaultdict(list)
    for call in calls:
        if call.outcome in FAILED:
            alike[call.reason or "UNKNOWN", call.agent, call.capability].append(call)
    return _sorted(_group(names, those) for names, those in alike.items())


def messages(lines: Iterable[LogLine]) -> list[Group]:
    """The lines of a log, by message and agent, the most frequent first."""
    alike: dict[tuple[str, str, str], list[LogLine]] = defaultdict(list)
    for line in lines:
        error = f" ({line.about['error']})" if "error" in line.about else ""
        names = (f"{normalised(line.event)}{error}", line.about.get("agent", ""), line.about.get("capability", ""))
        alike[names].append(line)
    return _sorted(
        Group(
            source="log",
            what=what,
            agent=agent,
            capability=capability,
            count=len(those),
            first=min(line.at for line in those),
            last=max(line.at for line in those),
            call_ids=_newest(line.about.get("call", line.about.get("call_id", "")) for line in those),
            trace_ids=_newest(line.about.get("trace_id", "") for line in those),
        )
        for (what, agent, capability), those in alike.items()
    )


def refusals(events: Iterable[AuditEvent]) -> list[Group]:
    """The events of the audit that tell of failures and refusals, by action and reason, the most frequent first."""
    alike: dict[tuple[str, str], list[AuditEvent]] = defaultdict(list)
    for event in events:
        if event.fact.outcome in FAILED:
            alike[f"{event.fact.action} {event.fact.reason}".strip(), event.fact.agent_id].append(event)
    return _sorted(
        Group(
            source="audit",
            what=what,
            agent=agent,
            count=len(those),
            first=min(event.fact.timestamp.timestamp() for event in those),
            last=max(event.fact.timestamp.timestamp() for event in those),
            call_ids=_newest(event.fact.call_id for event in those),
            trace_ids=_newest(event.fact.trace_id for event in those),
            principal=_behind([event.fact.user_id for event in those])[0],
            principal_share=_behind([event.fact.user_id for event in those])[1],
        )
        for (what, agent), those in alike.items()
    )


def edges(calls: Iterable[EndedCall]) -> list[Edge]:
    """Who called whom, how often, how long it took and how much of it failed, the longest first."""
    ways: dict[tuple[str, str, str], list[EndedCall]] = defaultdict(list)
    for call in calls:
        ways[call.call_path[-1] if call.call_path else "", call.agent, call.capability].append(call)
    found = [
        Edge(
            caller=caller,
            agent=agent,
            capability=capability,
            calls=len(those),
            failed=sum(map(_fails, those)),
            seconds=round(sum(call.seconds for call in those), 6),
            slow=round(sorted(call.seconds for call in those)[int(0.95 * (len(those) - 1))], 6),
        )
        for (caller, agent, capability), those in ways.items()
    ]
    return sorted(found, key=lambda edge: (-edge.seconds, edge.caller, edge.agent, edge.capability))


def places(calls: Iterable[EndedCall], copies_of: Callable[[str], Sequence[str]]) -> list[Place]:
    """How the copies of agents did that failed somewhere, the worst first; also those that no call came to."""
    copies: dict[tuple[str, str], list[EndedCall]] = defaultdict(list)
    for call in calls:
        if call.instance:
            copies[call.agent, call.instance].append(call)
    found = [
        Place(agent=agent, instance=instance, calls=len(those), failed=sum(map(_fails, those)))
        for (agent, instance), those in copies.items()
    ]
    ill = {place.agent for place in found if place.failed}
    idle = [
        Place(agent=agent, instance=instance, calls=0, failed=0)
        for agent in ill
        for instance in copies_of(agent)
        if (agent, instance) not in copies
    ]
    judged = [*(one for one in found if one.agent in ill), *idle]
    return sorted(judged, key=lambda one: (-one.failed, one.agent, one.instance))


def _fails(call: EndedCall) -> bool:
    return call.outcome in FAILED and call.reason != TOO_FAST


def _group(names: tuple[str, str, str], calls: Sequence[EndedCall]) -> Group:
    reason, agent, capability = names
    principal, share = _behind([call.user_id for call in calls])
    return Group(
        source="calls",
        what=reason,
        agent=agent,
        capability=capability,
        count=len(calls),
        first=min(call.ended_at for call in calls),
        last=max(call.ended_at for call in calls),
        call_ids=_newest(call.call_id for call in calls),
        trace_ids=_newest(call.trace_id for call in calls),
        principal=principal,
        principal_share=share,
    )


def _behind(users: Sequence[str]) -> tuple[str, float]:
    """Who is behind most of them, and behind what share."""
    name, count = Counter(users).most_common(1)[0]
    return name, round(count / len(users), 4) if name else 0.0


def _newest(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(one for one in ids if one))[-EXAMPLES:]


def _sorted(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.count, group.what, group.agent, group.capability))
