"""How many steps a run has in all: every item of a list, and every step of a sub-workflow, is one."""

from __future__ import annotations

from collections.abc import Mapping

from a2a_node.model.workflow_ports import KnownTemplates
from a2a_node.model.workflows import (
    MOST_DEEP,
    MOST_EXPANDED,
    MOST_ITEMS,
    Object,
    SubWorkflow,
    Template,
    TemplateStep,
)
from a2a_node.workflows import expressions
from a2a_node.workflows.expressions import ExpressionFailed, Values
from a2a_node.workflows.graph import Edges, cycles_of
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.source import Path

MOST_TEMPLATES = 256  # that one run can start one from another, its own counted; no more are read


def check_expansion(template: Template, templates: KnownTemplates | None, problems: Problems) -> None:
    """Tell of what would grow too large or start itself, as far as constants and defaults of inputs say it."""
    if templates is not None:
        _check_templates(template, templates, problems)
    known = reached(template, templates)
    _check_lines(template, known, problems)
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


def size_of(template: Template, known: Mapping[str, Template]) -> int:
    """How many steps a run of a template comes to, at least: inputs may make more of them than defaults do."""
    return _size(template, known, {template.name: 1}, Values.of({}).until)


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
    while templates and waiting:
        for _, work in subs(waiting.pop()):
            full = len(known) > MOST_TEMPLATES
            found = None if full or work.template in known else templates.template(work.template)
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


def _check_lines(template: Template, known: Mapping[str, Template], problems: Problems) -> None:
    """Tell of templates that start each other in a circle, or in too long a line, or that are too many."""
    if len(known) > MOST_TEMPLATES:
        said = f"more than {MOST_TEMPLATES} templates are run one from another, this one counted"
        problems.error(("steps",), "too-many-templates", said)
        return
    edges = {name: sorted({work.template for _, work in subs(one)} & known.keys()) for name, one in known.items()}
    cycles = list(cycles_of(edges))
    for cycle in cycles:
        said = f"the templates start each other in a circle: {' -> '.join(cycle)}"
        problems.error(_path_to(template, cycle[0], edges), "cycle", said)
    deep: dict[str, int] = {}
    for step, work in [] if cycles else subs(template):
        if (line := 1 + _deep(work.template, edges, deep)) > MOST_DEEP:
            said = f"step {step.id!r} makes {line} runs, each started by the one before; the limit is {MOST_DEEP}"
            problems.error(("steps", step.id, "workflow"), "too-deep", said)


def _deep(name: str, edges: Edges, found: dict[str, int]) -> int:
    """How many runs there are in the longest line that begins with one of a template."""
    if name not in found:
        found[name] = 1 + max((_deep(one, edges, found) for one in edges.get(name, ())), default=0)
    return found[name]


def _path_to(template: Template, wanted: str, edges: Edges) -> Path:
    """The first step by which runs of a template lead to those of another."""
    for step, work in subs(template):
        led, waiting = {work.template}, [work.template]
        while waiting:
            new = {one for one in edges.get(waiting.pop(), ()) if one not in led}
            led |= new
            waiting.extend(new)
        if wanted in led:
            return ("steps", step.id, "workflow")
    return ("steps",)


def _steps_in(step: TemplateStep, known: Mapping[str, Template], counted: dict[str, int], until: float) -> int:
    """How many steps one item of a step is: itself, and all of the template that it runs."""
    work = step.work
    if not isinstance(work, SubWorkflow) or work.template not in known:
        return 1
    if work.template not in counted:
        counted[work.template] = 1  # until it is known, so that templates in a circle come to an end
        counted[work.template] = _size(known[work.template], known, counted, until)
    return 1 + counted[work.template]


def _size(template: Template, known: Mapping[str, Template], counted: dict[str, int], until: float) -> int:
    values = Values(_defaults(template), until)
    return sum(_count(step, values) * _steps_in(step, known, counted, until) for step in template.steps)


def _count(step: TemplateStep, values: Values) -> int:
    """How many items a step of a template that was put goes through, at least."""
    try:
        if step.foreach and expressions.reads_only(step.foreach, values):
            items = expressions.evaluated(step.foreach, values)
            return len(items) if isinstance(items, list) else 1
    except ExpressionFailed:
        return 1  # what the sub-workflow is given may mend it
    return 1
