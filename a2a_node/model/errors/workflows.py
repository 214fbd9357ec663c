"""Failures of workflow templates."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.errors.base import MeshError
from a2a_node.model.errors.requests import InvalidInput

MOST_TOLD = 10  # errors: what says why an RPC failed has little room; ValidateTemplate answers with all of them


class TemplateNotFound(MeshError):
    """No template of that name was put, or none of that version; version 0 means the newest."""

    code, reason = "NOT_FOUND", "TEMPLATE_NOT_FOUND"

    def __init__(self, name: str, version: int = 0) -> None:
        which = f"version {version} of template {name!r}" if version else f"template {name!r}"
        super().__init__(f"there is no {which}; `a2a-node workflow templates` lists them", name=name, version=version)


class TemplateInvalid(InvalidInput):
    """The source of a template has errors; each is a violation, its field `line:column` of the source."""

    reason = "TEMPLATE_INVALID"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        (place, problem), *more = errors
        count = f" (and {len(more)} more)" if more else ""
        said = f"the template has errors: {place}: {problem}{count}; `a2a-node workflow lint` tells them all"
        MeshError.__init__(self, said, field=place, problem=problem)
        self.faults = ((place, problem), *more[: MOST_TOLD - 1])


class RunNotFound(MeshError):
    """No run of that id was recorded, or it was long ago."""

    code, reason = "NOT_FOUND", "RUN_NOT_FOUND"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}; `a2a-node workflow runs` lists them", run_id=run_id)


class RunStateConflict(MeshError):
    """The run does not stand so that this could be done."""

    code, reason = "FAILED_PRECONDITION", "RUN_STATE_CONFLICT"

    def __init__(self, run_id: str, status: str, problem: str) -> None:
        super().__init__(f"run {run_id} is {status}: {problem}", run_id=run_id, status=status)


class StepNotWaiting(MeshError):
    """The step waits for no approval, or somebody decided otherwise before."""

    code, reason = "FAILED_PRECONDITION", "STEP_NOT_WAITING"

    def __init__(self, run_id: str, step_id: str, problem: str) -> None:
        super().__init__(f"step {step_id!r} of run {run_id} {problem}", run_id=run_id, step_id=step_id)


class ApprovalRejected(MeshError):
    """Somebody said no to a step that waited for approval."""

    code, reason = "FAILED_PRECONDITION", "APPROVAL_REJECTED"

    def __init__(self, step_id: str, by: str, comment: str = "") -> None:
        said = f": {comment}" if comment else ""
        super().__init__(f"{by} said no to step {step_id!r}{said}", step_id=step_id, decided_by=by)


class ApprovalExpired(MeshError):
    """Nobody said yes or no to a step in the time that it waits."""

    code, reason = "DEADLINE_EXCEEDED", "APPROVAL_EXPIRED"

    def __init__(self, step_id: str, seconds: float) -> None:
        super().__init__(
            f"nobody decided on step {step_id!r} within its {seconds:g} s; RetryRun asks again",
            step_id=step_id,
            seconds=f"{seconds:g}",
        )


class RunExpired(MeshError):
    """The time of a run is over."""

    code, reason = "DEADLINE_EXCEEDED", "RUN_EXPIRED"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id} did not end within its time; RetryRun goes on with what is left of it", run_id=run_id
        )


class RunCancelled(MeshError):
    """The run of a sub-workflow was cancelled."""

    code, reason = "CANCELLED", "RUN_CANCELLED"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id}, which did the work of this step, was cancelled", run_id=run_id)
