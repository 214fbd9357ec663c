"""Remedies: what is done to the mesh against an incident, always in the name of those who called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import AgentRefused, Context
from a2a_node.model.call import Terms
from a2a_node.model.errors import InvalidInput
from a2a_node.model.limits import LEAST_RATE, LimitKey, LimitSource, Rate
from a2a_node.model.ops_ports import MeshChanges
from a2a_node.ops.incidents.words import Remedy

REFUSALS = {
    "none": (),
    "disable_agent": ("AGENT_DISABLED",),
    "lower_limit": ("RATE_LIMITED",),
    "drain_instance": (),
    "drain_node": ("NODE_DRAINING", "NO_INSTANCE"),
    "restart_server": ("AGENT_LOST", "NO_INSTANCE"),
}
FINAL = {
    "drain_instance": "a drain cannot be taken back; have the copy attach or register again",
    "drain_node": "a drain cannot be taken back; start the node again",
}


class Before(BaseModel):
    """How what a remedy changed stood before, so that it can be undone."""

    rate: Annotated[float, Field(ge=0)] = 0
    burst: Annotated[int, Field(ge=0)] = 0
    was_set: Annotated[bool, Field(description="Whether somebody had set that limit.")] = False
    was_enabled: bool = True


class Done(BaseModel):
    """What was done."""

    remedy: Remedy
    before: Before = Before()
    what: Annotated[str, Field(description="In words.")]
    at: Annotated[float, Field(description="Seconds since the epoch.")] = 0


def expected(remedy: Remedy) -> Sequence[str]:
    """The reasons by which calls are refused because of a remedy: it works, and nothing fails."""
    return REFUSALS[remedy.action]


async def applied(changes: MeshChanges, context: Context, remedy: Remedy) -> Done:
    """Do it; any MeshError, among them PermissionDenied where somebody in the chain may not do it themselves."""
    terms = terms_of(context)
    if remedy.action == "disable_agent" and remedy.agent in context.path:
        raise InvalidInput("input.remedy.agent", f"{remedy.agent!r} works on this very call; disable it by hand")
    if remedy.action == "disable_agent":
        return await _disabled(changes, terms, remedy)
    if remedy.action == "lower_limit":
        return await _lowered(changes, terms, remedy)
    if remedy.action == "drain_instance":
        await changes.drain_instance(terms, _named("agent", remedy.agent), _named("instance", remedy.instance))
        return Done(remedy=remedy, what=f"copy {remedy.instance} of {remedy.agent} takes no new calls")
    if remedy.action == "drain_node":
        await changes.drain_node(terms, _named("node", remedy.node))
        return Done(remedy=remedy, what=f"node {remedy.node} takes no new work; a drain cannot be taken back")
    if remedy.action == "restart_server":
        await changes.restart_server(terms, _named("server", remedy.server))
        return Done(remedy=remedy, what=f"MCP server {remedy.server} is restarted, and answers")
    return Done(remedy=remedy, what="nothing: no remedy is known that an agent may try")


async def undone(changes: MeshChanges, context: Context, done: Done) -> str:
    """Take a remedy back; what was done, in words."""
    terms, remedy, before = terms_of(context), done.remedy, done.before
    if remedy.action == "disable_agent" and before.was_enabled:
        await changes.update_agent(terms, _named("agent", remedy.agent), {"enabled": True})
        return f"agent {remedy.agent} is enabled again"
    if remedy.action == "lower_limit":
        if before.was_set:
            await changes.set_limit(terms, _key(remedy), Rate(before.rate, before.burst))
        else:
            await changes.reset_limit(terms, _key(remedy))
        return f"the limit of {_whose(remedy)} is {changes.limit(_key(remedy)).rate} again"
    if remedy.action in FINAL:
        raise AgentRefused(FINAL[remedy.action], reason="REMEDY_FINAL")
    return "nothing was done that could be taken back"


def terms_of(context: Context) -> Terms:
    """In whose name, and for how long, an agent acts that works on a call."""
    return Terms(context.token, context.time_left())


async def _disabled(changes: MeshChanges, terms: Terms, remedy: Remedy) -> Done:
    _, enabled = changes.agent(_named("agent", remedy.agent))
    await changes.update_agent(terms, remedy.agent, {"enabled": False})
    what = f"agent {remedy.agent} is disabled: calls of it are refused at once"
    return Done(remedy=remedy, before=Before(was_enabled=enabled), what=what)


async def _lowered(changes: MeshChanges, terms: Terms, remedy: Remedy) -> Done:
    _named("agent", remedy.agent)
    now = changes.limit(_key(remedy))
    rate = max(LEAST_RATE, min(remedy.rate or now.rate.rate / 2, now.rate.rate / 2))  # lower than it was, in any case
    burst = max(1, min(remedy.burst or now.rate.burst, now.rate.burst))
    was_set = now.source is LimitSource.SET and now.key == _key(remedy)
    lowered = Rate(rate, burst)
    await changes.set_limit(terms, _key(remedy), lowered)
    before = Before(rate=now.rate.rate, burst=now.rate.burst, was_set=was_set)
    return Done(remedy=remedy, before=before, what=f"the limit of {_whose(remedy)} is {lowered}; it was {now.rate}")


def _key(remedy: Remedy) -> LimitKey:
    return LimitKey(remedy.principal, remedy.agent, remedy.capability)


def _whose(remedy: Remedy) -> str:
    calls = f"{remedy.agent}.{remedy.capability}" if remedy.capability else remedy.agent
    return f"{remedy.principal or 'everybody'} at {calls}"


def _named(field: str, name: str) -> str:
    if not name:
        raise InvalidInput(f"input.remedy.{field}", "is required for this action")
    return name
