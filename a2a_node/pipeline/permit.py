"""The permit layer: what somebody may do. What is not granted is refused; the decision comes from memory.

A call that an agent makes at work is made in the name of all who stand behind it: the principal at the root and every
agent on the way. Each of them must be allowed to do it, and the key of each.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from a2a_node.access.decisions import FREE, Asked, Decisions, Facts, Standing
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import MeshError, PermissionDenied, RpcNotServed
from a2a_node.pipeline.baggage import said
from a2a_node.pipeline.needs import KNOWN, NEEDS, OF_AGENT, OPEN, permission
from a2a_node.pipeline.streams import Streams

Ground = tuple[Asked, Standing]  # what a stream asked for, and what that stands on


@dataclass(frozen=True, slots=True)
class Place:
    """Where decisions are made, for conditions to look at."""

    node: str
    region: str = ""
    zone: str = ""


class Agents(Protocol):
    """What is known of agents by name."""

    def owner_of(self, name: str) -> str:
        """Who registered an agent; empty when nobody has."""

    def needs_call_token(self, name: str) -> bool:
        """Whether an agent calls others only at work."""

    def cost_of(self, name: str, capability: str) -> int:
        """The tokens that a call of a capability costs; 1 where nobody has it."""


class Permit:
    """The layer `check`."""

    def __init__(self, decisions: Decisions, place: Place, agents: Agents) -> None:
        self._decisions = decisions
        self._kept = decisions.kept
        self._place = place
        self._owner_of, self._needs_token = agents.owner_of, agents.needs_call_token
        self._cost_of = agents.cost_of
        self._streams = Streams(self._renewed)
        decisions.following.listen(self._streams.check)

    def check(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Refuse what nobody has granted; RpcNotServed for an RPC that the table does not have.

        What concerns the caller's own call needs no grant.
        """
        if call.own:
            return proceed(call)
        envelope = call.envelope
        if envelope is None or not envelope.authority:
            if call.principal.kind == "agent" and call.agent and self._needs_token(call.principal.name):
                raise _at_work_alone(call)
            key: object = (call.principal, call.scopes, call.method, call.agent)
        else:
            if not call.carrier:  # the node that carries it has checked that, and knows the agent that works there
                self._check_bearer(call, envelope.authority[-1].name)
            key = (envelope.authority, envelope.scopes, call.scopes, call.method, call.agent)
        standing = self._kept.get(key)
        if standing is None or standing.until <= monotonic():
            return self._undecided(call, key, proceed)
        return self._allowed(call, standing, proceed)

    async def _undecided(self, call: Call, key: object, proceed: Proceed) -> None:
        await self._allowed(call, await self._decided(call, key), proceed)

    def _allowed(self, call: Call, standing: Standing, proceed: Proceed) -> Awaitable[None]:
        if standing.grants and (call.endless or (call.agent and not call.unary)):
            return self._streams.guard(call, (asked_by(call), standing), proceed)
        return proceed(call)

    async def _decided(self, call: Call, key: object) -> Standing:
        need = NEEDS.get(call.method)
        if need is None:
            raise RpcNotServed(call.method)
        asked = asked_by(call)
        standing = FREE if need in (OPEN, KNOWN) else self._decisions.settled(asked)
        if standing is None and call.carrier:
            return self._decisions.carried(asked, self._facts(call, asked))
        if standing is None:
            return await self._decisions.decided(asked, self._facts(call, asked))
        self._decisions.keep(key, standing)
        return standing

    def _check_bearer(self, call: Call, agent: str) -> None:
        """A call token is for its agent: that agent sends it back, or its owner, or the node that it runs on."""
        bearer = call.principal
        if bearer.kind == "node" or (bearer.kind == "agent" and bearer.name == agent):
            return
        if str(bearer) != self._owner_of(agent):
            need = permission(NEEDS.get(call.method, KNOWN), call.agent)
            raise PermissionDenied(str(bearer), need, f"the call token is for agent {agent!r}; send none")

    def _facts(self, call: Call, asked: Asked) -> Facts:
        return Facts(
            {
                "principal": str(asked.chain[0]),
                "agent": call.agent,
                "capability": call.capability,
                "node": self._place.node,
                "region": self._place.region,
                "zone": self._place.zone,
                "hops": len(call.envelope.path) if call.envelope else 0,
                "payload_bytes": call.payload_bytes,
                "cost": self._cost_of(call.agent, call.capability),
            },
            said(call.metadata),
        )

    def _renewed(self, ground: Ground) -> Ground | MeshError:
        """What a stream stands on after a change: what it stood on, or else whatever allows it without conditions."""
        asked, standing = ground
        if self._decisions.stands(standing):
            return ground
        try:
            settled = self._decisions.settled(asked)
        except PermissionDenied as denied:
            return denied
        if settled is None:
            return PermissionDenied(str(asked.chain[0]), asked.permission, "the grant that it stood on has ended")
        return asked, settled


def _at_work_alone(call: Call) -> PermissionDenied:
    why = "it calls others only at work; send the call token of the call that it works on"
    return PermissionDenied(str(call.principal), permission(OF_AGENT, call.agent), why)


def asked_by(call: Call) -> Asked:
    """What the call asks to do, and in whose name."""
    scopes = () if call.scopes is None else (call.scopes,)
    what = permission(NEEDS[call.method], call.agent)
    envelope = call.envelope
    if envelope is None:
        return Asked(what, (call.principal,), scopes)
    return Asked(what, envelope.authority or (call.principal,), envelope.scopes + scopes)
