"""Failures of agents."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.errors.base import CODES, MeshError


class AgentNotFound(MeshError):
    """Nobody by that name is registered."""

    code, reason = "NOT_FOUND", "AGENT_NOT_FOUND"

    def __init__(self, agent: str) -> None:
        super().__init__(f"no agent is registered as {agent!r}; `a2a-node agents` lists them", agent=agent)


class AgentDisabled(MeshError):
    """The agent is registered and switched off."""

    code, reason = "FAILED_PRECONDITION", "AGENT_DISABLED"

    def __init__(self, agent: str) -> None:
        super().__init__(f"agent {agent!r} is disabled; `a2a-node agents enable {agent}` switches it on", agent=agent)


class CapabilityNotFound(MeshError):
    """The agent has no such capability."""

    code, reason = "NOT_FOUND", "CAPABILITY_NOT_FOUND"

    def __init__(self, agent: str, capability: str, known: Sequence[str] = ()) -> None:
        listed = ", ".join(known[:10]) or "none"
        wanted = f"no capability {capability!r}" if capability else "several capabilities: name one"
        super().__init__(f"agent {agent!r} has {wanted}; it has: {listed}", agent=agent, capability=capability)


class NoInstance(MeshError):
    """No running copy of the agent is within reach."""

    code, reason, retryable, retry_after = "UNAVAILABLE", "NO_INSTANCE", True, 1.0

    def __init__(self, agent: str, nodes: Sequence[str] = ()) -> None:
        where = f"; it runs on {', '.join(nodes[:5])}, which this node does not reach" if nodes else "; start one"
        super().__init__(f"no running instance of {agent!r} is within reach{where}", agent=agent)


class AgentLost(MeshError):
    """The agent's process or connection ended in the middle of the call."""

    code, reason, retryable, retry_after = "UNAVAILABLE", "AGENT_LOST", True, 0.1

    def __init__(self, agent: str, instance: str) -> None:
        super().__init__(
            f"agent {agent!r} was lost in the middle of the call (instance {instance}); part of the work may be done: "
            "call again if that is safe",
            agent=agent,
            instance=instance,
        )


class AgentFailed(MeshError):
    """The agent raised an error that it did not name; its text stays in the log, unless it is meant for its caller."""

    code, reason = "INTERNAL", "AGENT_FAILED"

    def __init__(self, agent: str, capability: str, *, said: str = "") -> None:
        """`said` is what it says of its failure to whoever called it."""
        rest = f": {said}" if said else "; the log beside it has the rest"
        super().__init__(
            f"agent {agent!r} failed in {capability!r}{rest}",
            agent=agent,
            capability=capability,
        )


class AgentRefused(MeshError):
    """Raised by an agent: it refuses, with a message, a gRPC code and a reason of its own choice.

    UNAVAILABLE says that another try may help.
    """

    code, reason = "FAILED_PRECONDITION", "AGENT_REFUSED"

    def __init__(
        self, message: str, *, code: str = "FAILED_PRECONDITION", reason: str = "AGENT_REFUSED", **variables: object
    ) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is no gRPC code of a failure")
        super().__init__(message, **variables)
        self.code, self.reason, self.retryable = code, reason, code == "UNAVAILABLE"


class AgentEnded(AgentRefused):
    """How an agent has ended a call that was passed through: a status of its own, which goes back as it is."""

    def __init__(self, code: str, message: str, reason: str, trailing: Sequence[tuple[str, str | bytes]]) -> None:
        """`trailing` is the metadata that came with the status, its details among it."""
        super().__init__(message, code=code, reason=reason)
        self.trailing = trailing


class AgentNotEndpoint(MeshError):
    """A call to a gRPC service of the agent's own, which has no address that it could be passed on to."""

    code, reason = "FAILED_PRECONDITION", "AGENT_NOT_ENDPOINT"

    def __init__(self, agent: str, method: str) -> None:
        super().__init__(
            f"agent {agent!r} has no address of its own, so that {method} cannot be passed on to it; call one of its "
            "capabilities with Invoke",
            agent=agent,
            method=method,
        )


class AgentOwned(MeshError):
    """Another owner holds the agent's name."""

    code, reason = "ALREADY_EXISTS", "AGENT_OWNED"

    def __init__(self, agent: str, owner: str) -> None:
        super().__init__(f"the name {agent!r} belongs to {owner!r}; choose another name", agent=agent, owner=owner)


class AgentHeld(MeshError):
    """The agent is hosted or attached, so that it cannot be deregistered."""

    code, reason = "FAILED_PRECONDITION", "AGENT_HELD"

    def __init__(self, agent: str, nodes: Sequence[str]) -> None:
        where = ", ".join(nodes[:5])
        super().__init__(
            f"agent {agent!r} is hosted or attached on {where}; stop it there first, then deregister it",
            agent=agent,
            nodes=where,
        )


class AgentOverloaded(MeshError):
    """The agent works on as many calls as it takes, and as many wait."""

    code, reason, retryable, retry_after = "RESOURCE_EXHAUSTED", "AGENT_OVERLOADED", True, 0.2

    def __init__(self, agent: str, waiting: int) -> None:
        super().__init__(
            f"agent {agent!r} is busy and {waiting} calls wait already; ask later", agent=agent, waiting=waiting
        )


class AgentProtocol(MeshError):
    """The agent broke the rules of its stream."""

    code, reason = "INTERNAL", "AGENT_PROTOCOL"

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(f"agent {agent!r} broke the protocol: {problem}", agent=agent, problem=problem)
