"""What is known of a call as it ends: put down at once, said in words when there is time for it.

Words are made some at a time: at the end of each call, when nothing of them is in the processor's caches, they took 25
µs, in a row 7. What is put down holds small values alone, and never the call with its payloads.
"""

from __future__ import annotations

from dataclasses import dataclass

from a2a_node.model.audit import AuditOutcome, plain
from a2a_node.model.envelope import Envelope
from a2a_node.model.principal import Principal
from a2a_node.model.tap import EndedCall
from a2a_node.model.trace import Trace
from a2a_node.model.warrants import StepOfRun
from a2a_node.pipeline.facts import REASON, address_of, named, path_of, root_of, step_of


@dataclass(slots=True)
class Ending:
    """The end of a call."""

    ended_at: float
    seconds: float
    method: str
    agent: str
    capability: str
    principal: Principal
    envelope: Envelope | None
    outcome: AuditOutcome
    reason: str
    call_id: str
    trace: Trace | None
    peer: str
    step: StepOfRun | None = None
    instance: str = ""

    def told(self) -> EndedCall:
        """The same in words."""
        return EndedCall(
            self.ended_at,
            self.seconds,
            plain(self.method),
            self.agent,
            self.capability,
            named(self.principal),
            root_of(self),
            self.outcome,
            plain(self.reason, REASON),
            self.call_id,
            path_of(self),
            "" if self.trace is None else f"{self.trace.trace_id:032x}",
            address_of(self.peer),
            *step_of(self),
            self.instance,
            self.envelope.parent if self.envelope is not None and self.agent else "",
        )
