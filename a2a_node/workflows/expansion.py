"""How many steps a run has in all: every item of a list, and every step of a sub-workflow, is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a2a_node.model.workflow_ports import KnownTemplates
from a2a_node.model.workflows import MOST_EXPANDED, MOST_ITEMS, Object, SubWorkflow, Template, TemplateStep
from a2a_node.workflows import expressions
from a2a_node.workflows.expressions import ExpressionFailed, Values
from a2a_node.workflows.graph import cycles_of
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.source import Path

MOST_TEMPLATES = 32  # that one run can start, one from another


def check_expansion(template: Template, templates: KnownTemplates | None, problems: Problems) -> None:
    """Tell of what would grow too large or start itself, as far as constants and defaults of inputs say it."""
    if templates is not None:
        _check_templates(template, templates, problems)
    known = reached(template, templates)
    edges = {name: sorted({work.template for _, work in subs(one)} & known.keys()) for name, one in known.items()}
    for cycle in cycles_of(edges):
        if template.name in cycle:
            said = f"the templates start each other in a circle: {' -> '.join(cycle)}"
            problems.error(_path_to(template, cycle), "cycle", said)
    if not problems.errors:
        check_size(template, known, Values.of(_defaults(template)), problems)


def check_size(template: Template, known: Mapping[str, Template], values: Values, problems: Problems) -> None:
    """Tell of lists that are too long, and of a run that has too many steps, with these values of names."""
    counted: dict[str, int] = {}
    total = 0
    for step in template.steps:
        count = items_of(step, values, problems)
        total += (1 if count is None else count) * _steps_in(step, known, counted, values.until)
    if total > MOST_EXPANDED:
        said = f"a run grows to {total:,} steps, each item and each step of a sub-workflow counted"
        problems.error(("steps",), "too-many-steps", f"{said}; the limit is {MOST_EXPANDED:,}")


def items_of(step: TemplateStep, values: Values, problems: Problems) -> int | None:
    """How many items a step goes through; None for one that goes through none, or where it is not known."""
    if not step.foreach or not expressions.reads_only(step.foreach, values):
        return None
    path: Path = ("steps", step.id, "foreach")
    try:
        items = expressions.evaluated(step.foreach, values)
    except ExpressionFailed as error:
        problems.error(path, "bad-expression", f"the expression {step.foreach[:80]!r} {error}")
        return None
    if not isinstance(items, list):
        said = f"step {step.id!r} goes through what is no list: {step.foreach[:80]}"
        problems.error(path, "bad-type", said)
        return None
    if len(items) > MOST_ITEMS:
        said = f"step {step.id!r} goes through {len(items):,} items; the limit is {MOST_ITEMS:,}"
        problems.error(path, "too-many-steps", said)
    return min(len(items), MOST_ITEMS)


def _defaults(template: Template) -> Object:
    """What is known before anybody gives inputs: all of them, where each has a default."""
    if any(one.required for one in template.inputs):
        return {}
    return {"inputs": {one.name: one.default for one in template.inputs}}


def reached(template: Template, templates: KnownTemplates | None) -> Mapping[str, Template]:
    """The template, and those that its runs start one from another, by name."""
    known, waiting = {template.name: template}, [template] if templates else []
    while templates and waiting and len(known) < MOST_TEMPLATES:
        for _, work in subs(waiting.pop()):
            found = None if work.template in known else templates.template(work.template)
            if found is not None:
                known[work.template] = found
                waiting.append(found)
    return known


def subs(template: Template) -> list[tuple[TemplateStep, SubWorkflow]]:
    """The steps that run other templates."""
    return [(step, step.work) for step in template.steps if isinstance(step.work, SubWorkflow)]


def _check_templates(template: Template, templates: KnownTemplates, problems: Problems) -> None:
    """Tell of sub-workflows that are not there, and of inputs that they do not take or have to be given."""
    for step, work in subs(template):
        path: Path = ("steps", step.id)
        child = template if work.template == template.name else templates.template(work.template)
        if child is None:
            said = f"step {step.id!r} runs template {work.template!r}, and there is none"
            problems.warn((*path, "workflow"), "unknown-template", said)
            continue
        taken = {one.name: one.required for one in child.inputs}
        for name in work.input:
            if name not in taken:
                said = f"step {step.id!r} gives {name[:80]!r}, and {child.name!r} has no such input"
                problems.error((*path, "input", name), "unknown-input", said)
        for name, required in taken.items():
            if required and name not in work.input:
                said = f"step {step.id!r} must give the input {name!r} of {child.name!r}"
                problems.error((*path, "input"), "missing-input", said)


def _path_to(template: Template, cycle: Sequence[str]) -> Path:
    named = (step.id for step, work in subs(template) if work.template in cycle)
    return ("steps", next(named), "workflow")


def _steps_in(step: TemplateStep, known: Mapping[str, Template], counted: dict[str, int], until: float) -> int:
    """How many steps one item of a step is: itself, and all of the template that it runs."""
    work = step.work
    if not isinstance(work, SubWorkflow) or work.template not in known:
        return 1
    if work.template not in counted:
        child = known[work.template]
        counted[work.template] = 1  # until it is known, so that templates in a circle come to an end
        values = Values(_defaults(child), until)
        each = (_count(one, values) * _steps_in(one, known, counted, until) for one in child.steps)
        counted[work.template] = sum(each)
    return 1 + counted[work.template]


def _count(step: TemplateStep, values: Values) -> int:
    """How many items a step of a template that was put goes through, at least."""
    try:
        if step.foreach and expressions.reads_only(step.foreach, values):
            items = expressions.evaluated(step.foreach, values)
            return len(items) if isinstance(items, list) else 1
    except ExpressionFailed:
        return 1  # what the sub-workflow is given may mend it
    return 1
