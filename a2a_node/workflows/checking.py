"""What must be true of a template by itself: its graph, its expressions and what it grows to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import thread_time

from a2a_node.model.workflows import AgentCall, OnFailure, SubWorkflow, Template, TemplateStep
from a2a_node.workflows import expressions
from a2a_node.workflows.expressions import OF_STEP, Expression, ExpressionFailed, Reference, Values
from a2a_node.workflows.graph import Graph
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.source import Path

MOST_EXPRESSIONS = 5_000
PATIENCE = 10.0  # seconds of the processor to look at all of them


def check(template: Template, problems: Problems) -> None:
    """Tell all that is wrong with a template, whoever its agents are."""
    graph = Graph(template.steps)
    _check_needs(template, problems)
    _check_compensation(template, problems)
    for cycle in graph.cycles():
        way = " -> ".join(cycle)
        problems.error(("steps", cycle[0], "needs"), "cycle", f"the steps need each other in a circle: {way}")
    _check_expressions(template, graph, problems)
    if not problems.errors:
        _check_reach(template, graph, problems)


def input_of(step: TemplateStep) -> Mapping[str, object]:
    """What a step gives to whatever does its work."""
    return step.work.input if isinstance(step.work, AgentCall | SubWorkflow) else {}


def _check_needs(template: Template, problems: Problems) -> None:
    steps = {step.id: step for step in template.steps}
    for step in template.steps:
        for place, need in enumerate(step.needs):
            path: Path = ("steps", step.id, "needs", place)
            if need not in steps:
                problems.error(path, "unknown-step", f"step {step.id!r} needs {need[:80]!r}, and there is no such step")
            elif steps[need].compensates:
                said = f"step {step.id!r} needs {need!r}, which runs only to undo {steps[need].compensates!r}"
                problems.error(path, "unreachable-step", said)


def _check_compensation(template: Template, problems: Problems) -> None:
    steps, undone = {step.id: step for step in template.steps}, set()
    for step in template.steps:
        if not step.compensates:
            continue
        path: Path = ("steps", step.id, "compensates")
        other = steps.get(step.compensates)
        if other is None:
            said = f"step {step.id!r} compensates {step.compensates[:80]!r}, and there is no such step"
            problems.error(path, "unknown-step", said)
        elif other.compensates or other.id == step.id:
            problems.error(path, "bad-value", f"step {step.id!r} compensates {other.id!r}, which cannot be undone")
        elif other.id in undone:
            problems.error(path, "bad-value", f"step {step.id!r} compensates {other.id!r}, as another step does, too")
        undone.add(step.compensates)
        if step.needs:
            said = f"step {step.id!r} runs only to undo {step.compensates!r} and can need nothing else"
            problems.error(("steps", step.id, "needs"), "bad-value", said)
    for step in template.steps:
        if step.on_failure is OnFailure.COMPENSATE and not undone:
            said = f"when step {step.id!r} fails nothing is undone: no step says 'compensates'"
            problems.warn(("steps", step.id, "on_failure"), "nothing-to-undo", said)


def _check_expressions(template: Template, graph: Graph, problems: Problems) -> None:
    budget, until = MOST_EXPRESSIONS, thread_time() + PATIENCE
    for step in template.steps:
        undone = step.compensates
        before = graph.before(undone) | {undone} if undone else graph.before(step.id)
        for expression in _of_step(step, problems):
            budget -= 1
            if budget < 0 or thread_time() > until:
                said = f"there are more than {MOST_EXPRESSIONS:,} expressions, or some thousand very long ones"
                problems.error(expression.path, "too-many-expressions", said)
                return
            items = bool(step.foreach) and expression.path[2:3] == ("input",)
            _check_one(expression, _Scope(template, before, f"step {step.id!r}", items=items), problems)
    everything = frozenset(step.id for step in template.steps)
    _tell_unclosed(template.output, ("output",), problems)
    for expression in expressions.expressions_in(template.output, ("output",)):
        _check_one(expression, _Scope(template, everything, "the output"), problems)


def _of_step(step: TemplateStep, problems: Problems) -> Iterator[Expression]:
    path: Path = ("steps", step.id)
    if step.condition:
        yield Expression(step.condition, (*path, "if"))
    if step.foreach:
        yield Expression(step.foreach, (*path, "foreach"))
    _tell_unclosed(input_of(step), (*path, "input"), problems)
    yield from expressions.expressions_in(input_of(step), (*path, "input"))


def _tell_unclosed(value: object, path: Path, problems: Problems) -> None:
    for found in expressions.unclosed(value, path):
        problems.error(found, "bad-expression", "has '${{' without '}}' after it")


class _Scope:
    """What an expression may read: the template's inputs, and steps that are surely done before."""

    def __init__(self, template: Template, before: frozenset[str], whose: str, *, items: bool = False) -> None:
        self.inputs = {one.name for one in template.inputs}
        self.steps = {step.id for step in template.steps}
        self.before, self.whose, self.items = before, whose, items

    def fault(self, read: Reference) -> tuple[str, str]:
        """The rule that something read breaks, and how; empty texts for none."""
        if read.root == "inputs":
            return ("", "") if not read.name or read.name in self.inputs else self._no_input(read.name)
        if not read.name:
            return "bad-expression", f"reads all steps; name one, such as steps.build.{OF_STEP[0]}"
        if read.name not in self.steps:
            return "unknown-step", f"reads steps.{read.name}, and there is no such step"
        if read.name not in self.before:
            return "not-needed", f"reads steps.{read.name}, which {self.whose} does not need: add it to 'needs'"
        if read.field and read.field not in OF_STEP:
            return "bad-expression", f"reads steps.{read.name}.{read.field}; a step has {', '.join(OF_STEP)}"
        return "", ""

    def _no_input(self, name: str) -> tuple[str, str]:
        known = ", ".join(sorted(self.inputs)) or "none"
        return "unknown-input", f"reads inputs.{name}; the template's inputs: {known}"


def _check_one(expression: Expression, scope: _Scope, problems: Problems) -> None:
    text = expression.text
    if fault := expressions.fault(text, of_item=scope.items):
        message = f"the expression {text[:80]!r} {fault}"
        problems.error(expression.path, "bad-expression", message, expression.begin)
        return
    for read in expressions.references(text):
        rule, fault = scope.fault(read)
        if rule:
            message = f"the expression {text[:80]!r} {fault}"
            problems.error(expression.path, rule, message, expression.begin + read.begin)


def _check_reach(template: Template, graph: Graph, problems: Problems) -> None:
    """Steps that never run: their condition is always false, or that of a step before them."""
    steps = {step.id: step for step in template.steps}
    never: set[str] = set()
    for name in graph.waves:
        if cause := next((need for need in graph.needs[name] if need in never), ""):
            said = f"step {name!r} never runs, because it needs {cause!r}, which never does"
            problems.warn(("steps", name), "unreachable-step", said)
        elif _is_false(steps[name].condition):
            said = f"step {name!r} never runs: its condition is always false"
            problems.warn(("steps", name, "if"), "unreachable-step", said)
        else:
            continue
        never.add(name)


def _is_false(condition: str) -> bool:
    try:
        nothing = Values.of({})
        known = bool(condition) and expressions.reads_only(condition, nothing)
        return known and expressions.evaluated(condition, nothing) is not True
    except ExpressionFailed:
        return True
