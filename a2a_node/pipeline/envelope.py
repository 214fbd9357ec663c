"""The envelope layer: deadline, hops and path, before anything is spent on a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.envelope import Envelope, entered
from a2a_node.pipeline.deadlines import Deadlines
from a2a_node.wire.calls import CALL_TOKEN


@dataclass(frozen=True, slots=True)
class EnvelopeRules:
    """Bounds of every call: seconds for those that ask for none, seconds at most, and how many agents deep."""

    default_deadline: float = 30.0
    max_deadline: float = 3600.0
    max_hops: int = 8


def envelope(
    rules: EnvelopeRules, parent_of: Callable[[str], Envelope | None], revisits_of: Callable[[str], int]
) -> Layer:
    """The layer; `parent_of` a token is the envelope that a child call continues, CallTokenInvalid for a bad one."""
    deadlines = Deadlines()

    async def layer(call: Call, proceed: Proceed) -> None:
        token = call.metadata.get(CALL_TOKEN)
        parent = parent_of(token) if token else None
        now = monotonic()
        allowance = allowed(rules, call, parent, now)
        path = parent.path if parent else ()
        if call.agent:
            path = entered(path, call.agent, rules.max_hops, revisits_of(call.agent))
        call.envelope = begun(call, parent, path, (now + allowance, allowance))
        if call.endless and call.time_left is None:
            await proceed(call)
        else:
            await deadlines.within(allowance, proceed(call))

    return layer


def allowed(rules: EnvelopeRules, call: Call, parent: Envelope | None, now: float) -> float:
    """Seconds for the call: what its client grants, never more than its parent has left or the rules allow."""
    asked = rules.default_deadline if call.time_left is None else max(0.0, call.time_left)
    if parent is not None:
        left = parent.time_left(now)
        asked = left if call.time_left is None else min(asked, left)
    return min(asked, rules.max_deadline)


def begun(call: Call, parent: Envelope | None, path: tuple[str, ...], span: tuple[float, float]) -> Envelope:
    """The envelope of a new tree, or the parent's continued; `span` is the deadline and the seconds until then."""
    if parent is None:
        return Envelope(*span, path, "", call.id, (), call.id)
    return Envelope(*span, path, parent.id, parent.root, parent.authority, call.id, parent.scopes)
