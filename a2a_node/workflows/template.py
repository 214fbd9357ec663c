"""Templates: what a source says, read whole; everything that is wrong in its form is told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from a2a_node.model.workflows import (
    LEAST_TIMEOUT,
    MOST_STEPS,
    MOST_TIMEOUT,
    RUN_TIMEOUT,
    Problem,
    Template,
    TemplateInput,
    TemplateStep,
)
from a2a_node.workflows.cron import cron_fault
from a2a_node.workflows.fields import ID, RESERVED, TEMPLATE_NAME, Fields
from a2a_node.workflows.problems import STEPS, Problems
from a2a_node.workflows.schemas import schema_fault, value_faults
from a2a_node.workflows.source import Source, SourceInvalid, read_source
from a2a_node.workflows.steps import read_step

MOST_INPUTS, MOST_TAGS, MOST_RUNS = 100, 32, 1_000
MOST_TOLD = 10  # inputs at fault
DESCRIPTION = 2_000  # characters
TYPES = ("string", "integer", "number", "boolean", "array", "object")


@dataclass(frozen=True, slots=True)
class Reading:
    """A template as it was read, where its parts stand, and what is wrong with it so far."""

    template: Template
    problems: Problems
    lines: Mapping[str, int]  # where each step begins


def read_template(text: str) -> Reading | Sequence[Problem]:
    """The template of a source; where the source cannot be read at all, the one problem that it has."""
    try:
        source = read_source(text)
    except SourceInvalid as error:
        return [Problem("unreadable", f"the source {error.message}", error.place.line, error.place.column)]
    template, problems = _template(source)
    return Reading(template, problems, {step.id: source.place((STEPS, step.id)).line for step in template.steps})


def _template(source: Source) -> tuple[Template, Problems]:
    problems = Problems(source)
    fields = Fields(source.value, (), problems)
    name = fields.text("name", 255, required=True)
    if name and not TEMPLATE_NAME.fullmatch(name):
        form = "1 to 63 lower-case letters, digits, '-' and '_', beginning with a letter"
        fields.wrong(("name",), f"is {name[:80]!r}, and must be {form}", "bad-name")
    inputs = _inputs(fields.inner("inputs")) if "inputs" in fields else ()
    template = Template(
        name=name,
        description=fields.text("description", DESCRIPTION),
        tags=fields.tags("tags", MOST_TAGS),
        inputs=inputs,
        steps=_steps(fields),
        output=fields.object("output"),
        timeout=fields.span("timeout", LEAST_TIMEOUT, MOST_TIMEOUT, RUN_TIMEOUT),
        schedule=_schedule(fields, inputs),
        max_concurrent_runs=fields.whole("max_concurrent_runs", 1, MOST_RUNS, 0),
    )
    fields.done()
    return template, problems


def _schedule(fields: Fields, inputs: tuple[TemplateInput, ...]) -> str:
    text = fields.text("schedule", 255)
    if text and (fault := cron_fault(text)):
        fields.wrong(("schedule",), fault)
    missing = [one.name for one in inputs if one.required][:MOST_TOLD]
    if text and missing:
        said = f"starts runs with defaults alone, and there is none for {', '.join(missing)}"
        fields.wrong(("schedule",), said, "needs-defaults")
    return text


def _steps(fields: Fields) -> tuple[TemplateStep, ...]:
    found = fields.object("steps")
    if not found:
        fields.wrong(("steps",) if "steps" in fields else (), "needs 'steps' with at least one step", "missing-key")
    if len(found) > MOST_STEPS:
        fields.wrong(("steps",), f"has {len(found):,} steps, the limit is {MOST_STEPS:,}", "too-many-steps")
        return ()
    steps = fields.inner("steps") if found else None
    return tuple(read_step(name, steps.inner(name)) for name in found if steps and _identified(steps, name))


def _inputs(fields: Fields) -> tuple[TemplateInput, ...]:
    names = fields.keys()
    if len(names) > MOST_INPUTS:
        fields.wrong((), f"has {len(names):,} inputs, the limit is {MOST_INPUTS}")
    return tuple(_input(name, fields.inner(name)) for name in names[:MOST_INPUTS] if _identified(fields, name))


def _identified(fields: Fields, name: str) -> bool:
    """Whether a key can be what expressions say after a dot."""
    if ID.fullmatch(name) and name not in RESERVED:
        return True
    form = "must be 1 to 63 lower-case letters, digits and '_', beginning with a letter, and no word of CEL"
    fields.wrong((name,), form, "bad-name")
    return False


def _input(name: str, fields: Fields) -> TemplateInput:
    kind, schema = fields.text("type", 63), dict(fields.object("schema"))
    if kind and kind not in TYPES:
        fields.wrong(("type",), f"is {kind!r}, and must be one of {', '.join(TYPES)}")
    elif kind and "schema" in fields:
        fields.wrong(("type",), "stands beside 'schema', which says it, too; leave one out")
    elif kind:
        schema = {"type": kind}
    found = TemplateInput(
        name,
        fields.text("description", DESCRIPTION),
        schema,
        required="default" not in fields,
        default=fields.value("default"),
    )
    if fault := schema_fault(schema):
        fields.wrong(("schema",), f"is no JSON Schema: {fault}", "bad-schema")
    elif not found.required:
        for unfit in value_faults(schema, found.default):
            fields.wrong(("default", *unfit.path), f"does not fit its schema: {unfit.message}", "bad-type")
    fields.done()
    return found
