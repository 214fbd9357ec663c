"""The timeline of an incident: what happened when, as Markdown for people and as JSON for machines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from a2a_node.ops.incidents.record import Entry, Incident
from a2a_node.ops.incidents.words import Group, Trace

MARKS = re.compile(r"([\\`*_{}\[\]<>#|])")
MOST_GROUPS = 20


class Moment(BaseModel):
    """One line of a timeline."""

    at: float
    what: str


class Told(BaseModel):
    """An incident with its timeline, for machines."""

    incident: Incident
    moments: list[Moment]


def told(incident: Incident) -> Told:
    """The incident for machines."""
    return Told(incident=incident, moments=list(moments(incident)))


def moments(incident: Incident) -> Sequence[Moment]:
    """What happened, in its order: the failures as they began and ended, and what was done."""
    found = [Moment(at=entry.at, what=entry.what) for entry in incident.entries]
    found += [moment for group in incident.evidence.groups[:MOST_GROUPS] for moment in _of_group(group)]
    return sorted(found, key=lambda moment: moment.at)


def markdown(incident: Incident) -> str:
    """The incident for people."""
    parts = (
        f"# {plain(incident.title)}",
        _facts(incident),
        "## Timeline",
        "\n".join(f"- {clock(moment.at)} · {plain(moment.what)}" for moment in moments(incident)),
        "## What left its baseline",
        "\n".join(_deviations(incident)) or "Nothing that was measured.",
        "## Likely causes",
        "\n".join(_causes(incident)) or "None is known.",
        "## Failures",
        "\n".join(_groups(incident)) or "None were kept.",
        "## Traces",
        "\n".join(line for trace in incident.evidence.traces for line in _trace(trace)) or "None are remembered.",
    )
    return "\n\n".join(parts) + "\n"


def entered(incident: Incident, entry: Entry) -> Incident:
    """The incident with one more entry, unless it has it already, as when a step is done again."""
    if any(known.what == entry.what for known in incident.entries):
        return incident
    return incident.model_copy(update={"entries": [*incident.entries, entry]})


def plain(text: str) -> str:
    """A text that Markdown leaves as it is."""
    return MARKS.sub(r"\\\1", " ".join(text.split()))


def clock(moment: float) -> str:
    """A moment as people write it, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _facts(incident: Incident) -> str:
    rows = (
        ("Incident", incident.id),
        ("Severity", incident.severity),
        ("Status", incident.status),
        ("Began", clock(incident.since)),
        ("Opened", clock(incident.opened_at)),
    )
    return "\n".join(("| | |", "|---|---|", *(f"| {name} | {plain(str(value))} |" for name, value in rows)))


def _deviations(incident: Incident) -> Iterator[str]:
    for one in incident.deviations:
        whose = f" of {one.agent}.{one.capability}" if one.agent else ""
        yield "- " + plain(f"{one.kind}{whose}, {one.severity}: {one.why}")


def _causes(incident: Incident) -> Iterator[str]:
    for place, cause in enumerate(incident.causes, 1):
        whose = f" ({cause.agent})" if cause.agent else ""
        yield f"{place}. **{plain(cause.kind + whose)}**, {cause.confidence:.0%} sure"
        yield from (f"   - {plain(why)}" for why in cause.why)


def _groups(incident: Incident) -> Iterator[str]:
    for group in incident.evidence.groups[:MOST_GROUPS]:
        whose = f" at {group.agent}" if group.agent else ""
        calls = f"; for example call {group.call_ids[-1]}" if group.call_ids else ""
        yield f"- {group.count} x {plain(group.what + whose)} ({group.source}){plain(calls)}"


def _trace(trace: Trace) -> Iterator[str]:
    more = f"; {trace.left_out} more calls" if trace.left_out else ""
    yield f"- trace {plain(trace.trace_id)}, {trace.why}{more}"
    for call in trace.calls:
        ended = f", {call.reason}" if call.reason else ""
        indent = "  " * (call.depth + 1)
        yield f"{indent}- {plain(f'{call.agent}.{call.capability}, {call.seconds:.3f} s{ended}')}"


def _of_group(group: Group) -> Iterator[Moment]:
    whose = f" at {group.agent}.{group.capability}" if group.agent else ""
    yield Moment(at=group.first, what=f"the first of {group.count} x {group.what}{whose}, by the {group.source}")
    if group.count > 1:
        yield Moment(at=group.last, what=f"the last of {group.count} x {group.what}{whose}, by the {group.source}")
