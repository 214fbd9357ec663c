"""Templates to sources: what is printed reads as the same template again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from a2a_node.model.workflows import (
    RUN_TIMEOUT,
    Approval,
    OnFailure,
    Retry,
    SubWorkflow,
    Template,
    TemplateInput,
    TemplateStep,
)
from a2a_node.workflows.fields import written_span


def printed(template: Template) -> str:
    """The source of a template, in JSON; what says no more than the default is left out."""
    return json.dumps(document(template), indent=2)


def document(template: Template) -> dict[str, object]:
    """The same, as a JSON object."""
    return {
        "name": template.name,
        **_said("description", template.description),
        **_said("tags", list(template.tags)),
        **_said("timeout", "" if template.timeout == RUN_TIMEOUT else written_span(template.timeout)),
        **_said("schedule", template.schedule),
        **_said("max_concurrent_runs", template.max_concurrent_runs),
        **_said("inputs", {one.name: _input(one) for one in template.inputs}),
        "steps": {step.id: _step(step) for step in template.steps},
        **_said("output", template.output),
    }


def _input(one: TemplateInput) -> dict[str, object]:
    return {
        **_said("description", one.description),
        **_said("schema", one.schema),
        **({} if one.required else {"default": one.default}),
    }


def _step(step: TemplateStep) -> dict[str, object]:
    return {
        **_said("description", step.description),
        **_work(step),
        **_said("needs", list(step.needs)),
        **_said("if", step.condition),
        **_said("foreach", step.foreach),
        **_said("max_concurrent_items", step.max_concurrent_items),
        **_said("retry", {} if step.retry == Retry() else _retry(step.retry)),
        **_said("timeout", written_span(step.timeout) if step.timeout else ""),
        **_said("on_failure", "" if step.on_failure is OnFailure.FAIL else str(step.on_failure)),
        **_said("compensates", step.compensates),
    }


def _work(step: TemplateStep) -> dict[str, object]:
    work = step.work
    if isinstance(work, Approval):
        return {"approval": {"permission": work.permission, **_said("question", work.question)}}
    given: Mapping[str, object] = _said("input", work.input)
    if isinstance(work, SubWorkflow):
        return {"workflow": work.template, **given}
    return {**_said("agent", work.agent), **_said("capability", work.capability), **_said("tag", work.tag), **given}


def _retry(retry: Retry) -> dict[str, object]:
    reasons = list(retry.reasons)
    return {"attempts": retry.attempts, "backoff": written_span(retry.backoff), **_said("reasons", reasons)}


def _said(key: str, value: object) -> dict[str, object]:
    return {key: value} if value else {}
