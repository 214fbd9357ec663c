"""What the audit, the access log and the tap say of a call: who, where from, in whose name, on which way."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote

from a2a_node.model.audit import AuditDecision, AuditOutcome, Fact, plain
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.model.tools import AGENT_PREFIX
from a2a_node.model.trace import received
from a2a_node.model.warrants import StepOfRun

USER_AGENT = "user-agent"
SERVER = "server:"  # what the target of an RPC about an MCP server begins with
REASON = 100  # characters; agents may name reasons of their own


class Known(Protocol):
    """What a call and its ending have in common."""

    @property
    def agent(self) -> str:
        """Who was called; empty for other RPCs."""

    @property
    def principal(self) -> Principal:
        """Who called."""

    @property
    def envelope(self) -> Envelope | None:
        """Under which envelope; None where it was refused before it had one."""


class Ends(Protocol):
    """What ends a step of a run, too."""

    @property
    def step(self) -> StepOfRun | None:
        """Which one it is; None for all other calls."""


def fact_of(call: Call, action: str, decision: AuditDecision, ended: tuple[AuditOutcome, str]) -> Fact:
    """The fact that a call is, given its outcome and reason; nothing of it is a payload, a key or a token."""
    target, (outcome, reason) = target_of(call), ended
    return Fact(
        action,
        decision,
        outcome,
        plain(reason, REASON),
        target=target,
        user_id=plain(root_of(call)),
        agent_id=_agent_of(call),
        server_id=_server_of(call, target),
        ip_address=address_of(call.peer),
        user_agent=plain(call.metadata.get(USER_AGENT, "")),
        trace_id=trace_of(call),
        call_id=call.id or (call.envelope.parent if call.envelope is not None else ""),
        call_path=path_of(call),
        metadata={} if call.step is None else dict(zip(("run_id", "step"), step_of(call), strict=True)),
    )


def target_of(call: Call) -> str:
    """What it is about: the capability of an agent, or what the RPC's request names."""
    if not call.agent:
        return plain(call.target)
    return f"agent:{call.agent}:{call.capability}" if call.capability else f"agent:{call.agent}"


def root_of(call: Known) -> str:
    """The principal at the root, empty when it is not known."""
    envelope = call.envelope
    return named(envelope.authority[0] if envelope is not None and envelope.authority else call.principal)


def step_of(call: Ends) -> tuple[str, str]:
    """The run and its step that a call is; empty texts where it is none."""
    return ("", "") if call.step is None else (plain(call.step.run_id), plain(call.step.step))


def named(principal: Principal) -> str:
    """A principal as text, empty for nobody."""
    return "" if principal is NOBODY else str(principal)


def path_of(call: Known) -> tuple[str, ...]:
    """The agents on the way here, without the one that is called."""
    if call.envelope is None:
        return ()
    return call.envelope.path[:-1] if call.agent else call.envelope.path


def trace_of(call: Call) -> str:
    """The id of the trace that it is part of: the node's own, or the one that its caller names."""
    trace = call.trace or received(call.metadata)
    return "" if trace is None else f"{trace.trace_id:032x}"


def address_of(peer: str) -> str:
    """The address in what gRPC calls a peer, such as `ipv4:127.0.0.1:40712`; empty for what is none."""
    kind, _, place = peer.partition(":")
    if kind == "ipv4":
        return place.rpartition(":")[0]
    if kind == "ipv6":
        return unquote(place).rpartition("]:")[0].removeprefix("[").partition("%")[0]
    return ""


def _server_of(call: Call, target: str) -> str:
    """The MCP server that took part: its agent was called, or the RPC is about it."""
    if call.agent:
        return call.agent.removeprefix(AGENT_PREFIX) if call.agent.startswith(AGENT_PREFIX) else ""
    return target.removeprefix(SERVER) if target.startswith(SERVER) else ""


def _agent_of(call: Call) -> str:
    """The agent that acted, or the one that was called from outside."""
    path = path_of(call)
    if path:
        return path[-1]
    return call.principal.name if call.principal.kind == "agent" else call.agent
