"""Who may decide on a step: whoever may do what the step itself asks for, with all in whose name they act."""

from __future__ import annotations

from a2a_node.access.decisions import Asked, Decisions, without_call
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, StepNotWaiting
from a2a_node.model.runs import Run


class Approving:
    """Asks the grants."""

    def __init__(self, decisions: Decisions, node_id: str) -> None:
        self._decisions = decisions
        self._node_id = node_id

    async def check(self, call: Call, run: Run, step_id: str) -> None:
        """PermissionDenied for who may not; InvalidInput for no step of the run, StepNotWaiting without a question."""
        step = next((step for step in run.steps if step.id == step_id), None)
        if step is None:
            raise InvalidInput("step_id", f"run {run.id} has no step {step_id!r}")
        if step.approval is None:
            raise StepNotWaiting(run.id, step_id, f"is {step.status} and waits for no approval")
        asked = asked_by(call, step.approval.permission)
        if self._decisions.settled(asked) is None:
            await self._decisions.decided(asked, without_call(asked, self._node_id))


def asked_by(call: Call, permission: str) -> Asked:
    """That a call's caller asks to do something, in whose name, within what bounds their keys."""
    scopes = () if call.scopes is None else (call.scopes,)
    envelope = call.envelope
    if envelope is None:
        return Asked(permission, (call.principal,), scopes)
    return Asked(permission, envelope.authority or (call.principal,), envelope.scopes + scopes)
