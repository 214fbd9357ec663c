"""What is told of a call as it ends: the line of the access log, and what a tap shows."""

from __future__ import annotations

from dataclasses import dataclass

from a2a_node.model.audit import AuditOutcome


@dataclass(slots=True)
class EndedCall:
    """A call, or other RPC, that has ended; empty texts stand for what there was none of."""

    ended_at: float  # seconds since the epoch
    seconds: float  # on this node, from its first byte to its outcome
    method: str
    agent: str
    capability: str
    principal: str  # who called
    user_id: str  # the principal at the root
    outcome: AuditOutcome
    reason: str
    call_id: str
    call_path: tuple[str, ...]
    trace_id: str
    ip_address: str
    run_id: str = ""  # of the run that it is a step of
    step: str = ""
    instance: str = ""  # id of the copy of the agent that it came to last; empty where it came to none
    parent: str = ""  # id of the call whose agent made it; empty for the first, and on the wire


@dataclass(frozen=True, slots=True)
class TapFilter:
    """Which calls are meant; what is empty is not looked at."""

    agent: str = ""
    capability: str = ""
    user_id: str = ""
    outcome: AuditOutcome | None = None
    all_rpcs: bool = False  # other RPCs, too

    def fits(self, call: EndedCall) -> bool:
        """Whether a call is meant."""
        return (
            (self.all_rpcs or call.agent != "")
            and self.agent in ("", call.agent)
            and self.capability in ("", call.capability)
            and self.user_id in ("", call.user_id)
            and self.outcome in (None, call.outcome)
        )
