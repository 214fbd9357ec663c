"""Templates, plans and problems as documents for programs, and as rows of tables for people."""

from __future__ import annotations

from a2a_node.cli.flow.words import does
from a2a_node.model.workflows import PlannedStep, Problem, TemplateVersion


def problem_told(problem: Problem) -> dict[str, object]:
    """A problem for programs."""
    return {
        "severity": problem.severity,
        "rule": problem.rule,
        "message": problem.message,
        "line": problem.line,
        "column": problem.column,
        "step": problem.step,
    }


def version_told(version: TemplateVersion) -> dict[str, object]:
    """A version for programs, without its source."""
    template = version.template
    return {
        "name": template.name,
        "version": version.version,
        "description": template.description,
        "tags": template.tags,
        "inputs": [{"name": one.name, "required": one.required, "schema": one.schema} for one in template.inputs],
        "schedule": template.schedule,
        "created_by": version.created_by,
        "created_at": version.created_at,
    }


def version_row(version: TemplateVersion) -> dict[str, object]:
    """A version for people."""
    template = version.template
    return {
        "name": template.name,
        "version": version.version,
        "inputs": " ".join(one.name if one.required else f"[{one.name}]" for one in template.inputs),
        "schedule": template.schedule,
        "by": version.created_by,
        "put": f"{version.created_at:%Y-%m-%d %H:%M:%S}",
        "description": template.description,
    }


def planned_told(planned: PlannedStep) -> dict[str, object]:
    """A planned step for programs."""
    step = planned.step
    return {
        "step": step.id,
        "wave": planned.wave,
        "work": does(step.work),
        "agents": planned.agents,
        "needs": step.needs,
        "input": planned.input,
        "if": step.condition,
        "foreach": step.foreach,
        "items": planned.items,
        "skipped": planned.skipped,
        "attempts": step.retry.attempts,
        "timeout": step.timeout or None,
    }


def planned_row(planned: PlannedStep) -> dict[str, object]:
    """A planned step for people."""
    step = planned.step
    times = f"{'?' if planned.items is None else planned.items} x " if step.foreach else ""
    return {
        "wave": planned.wave,
        "step": step.id,
        "does": "skipped" if planned.skipped else times + does(step.work),
        "agents": " ".join(planned.agents),
        "if": step.condition,
        "attempts": step.retry.attempts,
        "timeout": f"{step.timeout:g} s" if step.timeout else "",
        "input": ", ".join(f"{name}={value}" for name, value in planned.input.items()),
    }
