"""Steps of runs, and what belongs to them, as the JSON that Postgres keeps and people query."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TypedDict

import orjson

from a2a_node.model.errors import MeshError, revived
from a2a_node.model.runs import (
    INLINE,
    Decision,
    RunStep,
    StepApproval,
    StepAttempt,
    StepItems,
    StepStatus,
)

MOST_ATTEMPTS = 20
NUL = "\\u0000"  # `jsonb` cannot keep it


class ErrorJson(TypedDict):
    """A failure."""

    code: str
    reason: str
    message: str
    variables: dict[str, str]


class AttemptJson(TypedDict):
    """One try."""

    attempt: int
    started_at: str
    node_id: str
    call_id: str
    completed_at: str | None
    error: ErrorJson | None


class ItemsJson(TypedDict):
    """How far a `foreach` is."""

    total: int
    completed: int
    failed: int


class ApprovalJson(TypedDict):
    """What is asked, and what was said."""

    permission: str
    question: str
    requested_at: str | None
    expires_at: str | None
    decision: str | None
    decided_by: str
    comment: str
    decided_at: str | None


class StepJson(TypedDict, total=False):
    """A step, as far as it is kept with its run."""

    id: str
    status: str
    agent: str
    capability: str
    needs: list[str]
    input: dict[str, object] | None
    output: object
    input_omitted: bool
    output_omitted: bool
    error: ErrorJson | None
    started_at: str | None
    completed_at: str | None
    attempts: list[AttemptJson]
    attempt_group: int
    items: ItemsJson | None
    approval: ApprovalJson | None
    child_run_id: str
    compensated: bool


def dumped(value: object) -> str:
    """A value as JSON."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers beyond 64 bits, such as 1e300
        return json.dumps(value)


def kept_inline(text: str) -> bool:
    """Whether a value stands in its step, by its JSON."""
    return len(text.encode()) <= INLINE and NUL not in text


def clean(text: str) -> str:
    """A text for people as `jsonb` can keep it."""
    return text.replace("\0", "\ufffd")


def error_json(error: MeshError | None) -> ErrorJson | None:
    """What is kept of a failure."""
    if error is None:
        return None
    variables = {clean(name): clean(value) for name, value in error.variables.items()}
    return {"code": error.code, "reason": error.reason, "message": clean(error.message), "variables": variables}


def error_from(kept: ErrorJson | None) -> MeshError | None:
    """The failure that was kept, as its own class."""
    return None if kept is None else revived(kept["code"], kept["reason"], kept["message"], kept["variables"])


def attempt_json(attempt: StepAttempt) -> AttemptJson:
    """A try, as it is kept."""
    return {
        "attempt": attempt.attempt,
        "started_at": attempt.started_at.isoformat(),
        "node_id": attempt.node_id,
        "call_id": attempt.call_id,
        "completed_at": _iso(attempt.completed_at),
        "error": error_json(attempt.error),
    }


def approval_json(approval: StepApproval) -> ApprovalJson:
    """What is asked, as it is kept."""
    return {
        "permission": approval.permission,
        "question": clean(approval.question),
        "requested_at": _iso(approval.requested_at),
        "expires_at": _iso(approval.expires_at),
        "decision": approval.decision.value if approval.decision else None,
        "decided_by": approval.decided_by,
        "comment": clean(approval.comment),
        "decided_at": _iso(approval.decided_at),
    }


def items_json(items: StepItems) -> ItemsJson:
    """How far it is, as it is kept."""
    return {"total": items.total, "completed": items.completed, "failed": items.failed}


def fresh_step(step: RunStep) -> StepJson:
    """A step of a run that is recorded."""
    return {
        "id": step.id,
        "status": StepStatus.PENDING.value,
        "agent": step.agent,
        "capability": step.capability,
        "needs": list(step.needs),
        "input": None,
        "output": None,
        "input_omitted": False,
        "output_omitted": False,
        "error": None,
        "started_at": None,
        "completed_at": None,
        "attempts": [],
        "attempt_group": 1,
        "items": None,
        "approval": approval_json(step.approval) if step.approval else None,
        "child_run_id": "",
        "compensated": False,
    }


def step_from(kept: StepJson) -> RunStep:
    """The step that is kept."""
    return RunStep(
        kept["id"],
        StepStatus(kept["status"]),
        kept["agent"],
        kept["capability"],
        tuple(kept["needs"]),
        kept["input"],
        kept["output"],
        omitted=kept["input_omitted"] or kept["output_omitted"],
        error=error_from(kept["error"]),
        started_at=when(kept["started_at"]),
        completed_at=when(kept["completed_at"]),
        attempts=tuple(_attempt(one) for one in kept["attempts"]),
        attempt_group=kept["attempt_group"],
        items=StepItems(**kept["items"]) if kept["items"] else None,
        approval=approval_from(kept["approval"]),
        child_run_id=kept["child_run_id"],
        compensated=kept["compensated"],
    )


def approval_from(kept: ApprovalJson | None) -> StepApproval | None:
    """What is asked, and what was said."""
    if kept is None:
        return None
    return StepApproval(
        kept["permission"],
        kept["question"],
        when(kept["requested_at"]),
        when(kept["expires_at"]),
        Decision(kept["decision"]) if kept["decision"] else None,
        kept["decided_by"],
        kept["comment"],
        when(kept["decided_at"]),
    )


def when(text: str | None) -> datetime | None:
    """The moment that was kept."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _attempt(kept: AttemptJson) -> StepAttempt:
    return StepAttempt(
        kept["attempt"],
        datetime.fromisoformat(kept["started_at"]).astimezone(UTC),
        kept["node_id"],
        kept["call_id"],
        when(kept["completed_at"]),
        error_from(kept["error"]),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
