"""The envelope layer: deadline, hops and path, before anything is spent on a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from a2a_node.model.call import PEERS, Call, Proceed
from a2a_node.model.envelope import Envelope, Handed, entered
from a2a_node.model.errors import EnvelopeInvalid
from a2a_node.model.principal import Principal
from a2a_node.pipeline.deadlines import Deadlines
from a2a_node.wire.calls import CALL_TOKEN, ENVELOPE


@dataclass(frozen=True, slots=True)
class EnvelopeRules:
    """Bounds of every call: seconds for those that ask for none, seconds at most, and how many agents deep."""

    default_deadline: float = 30.0
    max_deadline: float = 3600.0
    max_hops: int = 8


class Opens(Protocol):
    """Who knows a good seal."""

    def opened(self, sealed: object, call: Call) -> tuple[Handed, str]:
        """What was sealed for that call, and by which node; EnvelopeInvalid."""


class Envelopes:
    """The layer `check`: a call is continued from another node's sealed word or a call token, or begins a tree.

    `parent_of` a call is the envelope that it continues, None for a root; `bearer_of` tells whose certificate it is by
    the names in it.
    """

    def __init__(
        self,
        rules: EnvelopeRules,
        parent_of: Callable[[Call], Envelope | None],
        revisits_of: Callable[[str], int],
        seals: Opens,
        bearer_of: Callable[[Sequence[str]], Principal | None],
    ) -> None:
        self._rules, self._parent_of, self._revisits_of = rules, parent_of, revisits_of
        self._seals, self._bearer_of = seals, bearer_of
        self._within = Deadlines().within

    def check(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Give the call its envelope and its deadline, or refuse it before anything is spent on it."""
        if ENVELOPE in call.metadata or (call.door == PEERS and call.agent):
            carried = call.envelope = self._continued(call)
            return self._within(carried.allowance, proceed(call))
        begun = call.envelope = self._begun(call)
        if call.endless and call.time_left is None:
            return proceed(call)
        return self._within(begun.allowance, proceed(call))

    def _begun(self, call: Call) -> Envelope:
        parent = self._parent_of(call)
        now = monotonic()
        allowance = allowed(self._rules, call, parent, now)
        path = parent.path if parent else ()
        if call.agent:
            path = entered(path, call.agent, self._rules.max_hops, self._revisits_of(call.agent))
        return begun(call, parent, path, (now + allowance, allowance))

    def _continued(self, call: Call) -> Envelope:
        """What another node has let through goes on here: who asks, in whose name, by when and on which path."""
        handed, issuer = self._seals.opened(sealed_in(call), call)
        self._check_bearer(call, issuer)
        call.principal, call.scopes, call.carrier = handed.principal, handed.scopes, issuer
        entered(handed.envelope.path[:-1], call.agent, self._rules.max_hops, self._revisits_of(call.agent))
        return self._shortened(call, handed.envelope)

    def _shortened(self, call: Call, envelope: Envelope) -> Envelope:
        """What was handed on, ended earlier where the client or the rules want it so."""
        if call.time_left is None and envelope.allowance <= self._rules.max_deadline:
            return envelope
        now = monotonic()
        allowance = allowed(self._rules, call, envelope, now)
        return envelope._replace(deadline=now + allowance, allowance=allowance)

    def _check_bearer(self, call: Call, issuer: str) -> None:
        """A node brings what it has sealed itself; calls over a link show the link's certificate."""
        bearer = self._bearer_of(call.identities_of())
        if bearer is None or bearer.kind != "node" or bearer.name != issuer:
            raise EnvelopeInvalid("mismatch", "another node has sealed it than brings it", issuer)


def sealed_in(call: Call) -> object:
    """The sealed envelope that came with a call; EnvelopeInvalid when there is none, or something beside it."""
    sealed = call.metadata.get(ENVELOPE)
    if sealed is None:
        raise EnvelopeInvalid("stripped", "calls of other nodes come with a sealed envelope, and this one has none")
    if call.door != PEERS:
        raise EnvelopeInvalid("door", "sealed envelopes come in at the door of nodes alone; send none")
    if not call.agent or CALL_TOKEN in call.metadata:
        raise EnvelopeInvalid("mismatch", "it comes with calls to agents alone, and without a call token")
    return sealed


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
    return Envelope(
        *span,
        path,
        parent.id,
        parent.root,
        parent.authority,
        call.id,
        parent.scopes,
        parent.budget,
        parent.purse,
    )
