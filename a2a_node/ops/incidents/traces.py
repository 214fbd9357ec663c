"""The calls of a trace as a tree: who called whom, how long it took and where it failed, as this node remembers it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from a2a_node.model.tap import EndedCall
from a2a_node.ops.incidents.grouping import FAILED
from a2a_node.ops.incidents.words import Group, Trace, TracedCall

MOST_FAILED, MOST_SLOW = 3, 3  # traces
MOST_CALLS = 30  # of a trace
Below = dict[str, list[EndedCall]]


def examples(every: Sequence[EndedCall], window: Sequence[EndedCall], groups: Sequence[Group]) -> list[Trace]:
    """Some traces of what failed and of what took longest in a window, each with all calls that are remembered."""
    failed = _first(MOST_FAILED, [each for group in groups if group.source == "calls" for each in group.trace_ids[-1:]])
    longest = sorted(window, key=lambda call: -call.seconds)
    slow = _first(MOST_SLOW, [call.trace_id for call in longest if call.trace_id not in failed])
    found: defaultdict[str, list[EndedCall]] = defaultdict(list)
    for call in every:
        found[call.trace_id].append(call)
    return [
        *(_trace(name, found[name]).model_copy(update={"why": "failed"}) for name in failed),
        *(_trace(name, found[name]) for name in slow),
    ]


def _first(most: int, names: Sequence[str]) -> Sequence[str]:
    return [name for name in dict.fromkeys(names) if name][:most]


def _trace(name: str, calls: Sequence[EndedCall]) -> Trace:
    """The trace; of one that is too large, what failed and what took longest."""
    known = {call.call_id for call in calls}
    below: defaultdict[str, list[EndedCall]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: (call.ended_at - call.seconds, -call.seconds)):
        below[call.parent if call.parent in known else ""].append(call)
    worst = sorted(calls, key=lambda call: (call.outcome not in FAILED, -call.seconds))[:MOST_CALLS]
    shown = {call.call_id for call in worst}
    told = [one for one in _told(below, "", 0) if one.call_id in shown][:MOST_CALLS]
    return Trace(trace_id=name, why="slow", calls=told, left_out=len(calls) - len(told))


def _told(below: Below, parent: str, depth: int) -> Iterator[TracedCall]:
    """The calls that one call made, in the order in which they began, each before those that it made itself.

    What was told is taken away, so that ids which lead in a circle end.
    """
    for call in below.pop(parent, ()):
        yield TracedCall(
            call_id=call.call_id,
            parent=parent,
            depth=depth,
            agent=call.agent,
            capability=call.capability,
            began=round(call.ended_at - call.seconds, 6),
            seconds=round(call.seconds, 6),
            reason=call.reason,
        )
        yield from _told(below, call.call_id, depth + 1)
