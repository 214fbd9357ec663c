"""What travels with a call from hop to hop, and the rules that end a call which goes in circles.

These are tuples by name: every call makes several, and one takes a third of the time of a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from a2a_node.model.errors import CallLoop, TooManyHops
from a2a_node.model.principal import Principal


class Envelope(NamedTuple):
    """The state of a call tree at one hop. Only a node makes one; nothing a client sends is believed."""

    deadline: float  # on the monotonic clock of this process, seconds
    allowance: float  # what there was when the call came in, seconds
    path: tuple[str, ...] = ()  # names of the agents on the way here, the root's first
    parent: str = ""  # id of the call whose agent made this one
    root: str = ""  # id of the first call of the tree
    authority: tuple[
        Principal, ...
    ] = ()  # who acts for whom, the root's principal first; empty for the root's own call
    id: str = ""  # id of this call
    scopes: tuple[tuple[str, ...], ...] = ()  # what bounds the keys on the way here; each of them bounds this call
    budget: Mapping[str, int] | None = None  # what the tree had left by unit, as it was admitted; None without a budget
    purse: str = ""  # under what that budget is kept, where it is not the root's

    @property
    def tree(self) -> str:
        """Under what its budget is kept."""
        return self.purse or self.root

    def time_left(self, now: float) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - now)


class Handed(NamedTuple):
    """A call as one node hands it on to another: its envelope, who made it, and what was called."""

    envelope: Envelope
    principal: Principal
    scopes: tuple[str, ...] | None  # what bounds the key of this very call
    agent: str
    capability: str
    idempotency_key: str = ""


class Stamp(NamedTuple):
    """What makes a sealed envelope good for one call at one node, for a while."""

    issuer: str  # ids of nodes
    audience: str
    issued_at: float  # by the store's clock, seconds since the epoch
    boot: int  # a random number of 64 bits that the issuer took at its start
    sequence: int  # counts its envelopes from then on


def entered(path: tuple[str, ...], agent: str, max_hops: int, max_revisits: int) -> tuple[str, ...]:
    """The path with `agent` at its end; TooManyHops or CallLoop when the call must not go there."""
    longer = (*path, agent)
    if len(longer) > max_hops:
        raise TooManyHops(longer, max_hops)
    if path.count(agent) > max_revisits:
        raise CallLoop(agent, longer)
    return longer


def handed_to(agent: str, envelope: Envelope, principal: Principal, scopes: tuple[str, ...] | None) -> Envelope:
    """What a child call continues: the agent acts for `principal`, who made the parent call under that envelope."""
    return envelope._replace(
        authority=(*(envelope.authority or (principal,)), Principal("agent", agent)),
        scopes=envelope.scopes if scopes is None else (*envelope.scopes, scopes),
    )
