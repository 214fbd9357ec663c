"""Starting runs: what was asked, looked at beside the template, as a run to be recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from a2a_node.model.budget import Amounts, checked_amounts
from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import checked_text, fresh_uuid
from a2a_node.model.runs import MOST_OUTPUT, NewRun, RunStep, StepApproval
from a2a_node.model.workflows import AgentCall, Approval, Object, TemplateStep, TemplateVersion
from a2a_node.workflows.library import Library

MOST_METADATA = 16 * 1024  # bytes of JSON
NAME, DESCRIPTION = 255, 2000  # characters


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that somebody wants."""

    template: str
    version: int = 0  # 0 means the newest
    inputs: Object = field(default_factory=dict)
    context: Object = field(default_factory=dict)
    metadata: Object = field(default_factory=dict)
    name: str = ""
    description: str = ""
    key: str = ""
    timeout: float | None = None  # None means the template's
    budget: Amounts | None = None


class Starting:
    """Makes runs of the templates of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def size(self, template: str) -> int:
        """How many steps a run of the newest version comes to at least; TemplateNotFound, TemplateInvalid."""
        return await self._library.size(template)

    async def made(self, wanted: Wanted, by: str) -> NewRun:
        """The run that is to be recorded; TemplateNotFound, TemplateInvalid, InvalidInput names the input at fault."""
        check_bounds(wanted)
        version, inputs = await self._library.start(wanted.template, wanted.version, wanted.inputs)
        check_size("inputs", inputs, MOST_OUTPUT)  # with their defaults
        template = version.template
        return NewRun(
            fresh_uuid(),
            template.name,
            version.version,
            steps_of(version),
            by,
            template.timeout if wanted.timeout is None else wanted.timeout,
            wanted.name or template.name,
            wanted.description or template.description,
            inputs,
            wanted.context,
            wanted.metadata,
            wanted.budget or None,
            key=wanted.key,
            max_concurrent_runs=template.max_concurrent_runs,
        )


def check_bounds(wanted: Wanted) -> None:
    """InvalidInput names what is too large or too long."""
    checked_text("name", wanted.name, NAME)
    checked_text("description", wanted.description, DESCRIPTION)
    checked_amounts("budget", wanted.budget or {})
    check_size("inputs", wanted.inputs, MOST_OUTPUT)
    check_size("global_context", wanted.context, MOST_OUTPUT)
    check_size("metadata", wanted.metadata, MOST_METADATA)


def check_size(field_name: str, value: Mapping[str, object], most: int) -> None:
    """InvalidInput when a value has too many bytes as JSON, or what no text of Postgres can keep."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > most:
        raise InvalidInput(field_name, f"has {size:,} bytes as JSON, the limit is {most:,}")
    if "\\u0000" in text:
        raise InvalidInput(field_name, "holds a NUL character, which cannot be kept")


def steps_of(version: TemplateVersion) -> tuple[RunStep, ...]:
    """The steps of a run of a template, before any of them has begun."""
    return tuple(_step(step) for step in version.template.steps)


def _step(step: TemplateStep) -> RunStep:
    work = step.work
    approval = StepApproval(work.permission, work.question) if isinstance(work, Approval) else None
    agent, capability = (work.agent, work.capability) if isinstance(work, AgentCall) else ("", "")
    return RunStep(step.id, agent=agent, capability=capability, needs=step.needs, approval=approval)
