"""Runs, steps and events as documents for programs, in the words of the contract."""

from __future__ import annotations

from a2a_node.model.runs import Run, RunEvent, RunStep, StepAttempt


def run_told(run: Run) -> dict[str, object]:
    """A run; without the steps where there are none, as in lists."""
    return {
        "run_id": run.id,
        "name": run.name,
        "description": run.description,
        "status": run.status,
        **({"steps": [step_told(step) for step in run.steps]} if run.steps else {}),
        "global_context": run.context,
        "created_by": run.created_by,
        "create_time": run.created_at,
        "start_time": run.started_at,
        "complete_time": run.completed_at,
        "expire_time": run.expires_at,
        "metadata": run.metadata,
        "template": run.template,
        "template_version": run.template_version,
        "inputs": run.inputs,
        "output": run.output,
        "error": run.error,
        "parent_run_id": run.parent_run_id,
        "trace_id": run.trace_id,
        "completed_steps": run.completed_steps,
        "total_steps": run.total_steps,
    }


def step_told(step: RunStep) -> dict[str, object]:
    """A step."""
    return {
        "step_id": step.id,
        "status": step.status,
        "agent": step.agent,
        "capability": step.capability,
        "needs": step.needs,
        "input": step.input,
        "output": step.output,
        "data_omitted": step.omitted,
        "error": step.error,
        "start_time": step.started_at,
        "complete_time": step.completed_at,
        "attempts": [_attempt(one) for one in step.attempts],
        "attempt_group": step.attempt_group,
        "items": step.items,
        "approval": step.approval,
        "child_run_id": step.child_run_id,
        "compensated": step.compensated,
    }


def event_told(event: RunEvent) -> dict[str, object]:
    """An event, with what it is about."""
    about: dict[str, object] = {"gap": True} if event.gap else {}
    if event.run:
        about = {"run": run_told(event.run)}
    elif event.step:
        about = {"step": step_told(event.step)}
    elif event.progress:
        about = {"progress": {"step_id": event.progress[0], "output": event.progress[1]}}
    return {"sequence": event.sequence, "event_time": event.at, **about}


def _attempt(attempt: StepAttempt) -> dict[str, object]:
    return {
        "attempt": attempt.attempt,
        "call_id": attempt.call_id,
        "node_id": attempt.node_id,
        "start_time": attempt.started_at,
        "complete_time": attempt.completed_at,
        "error": attempt.error,
    }
