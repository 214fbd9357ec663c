"""A dry run: how a run with these inputs would go, as far as that is known before any step has answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from a2a_node.model.errors import CapabilityNotFound, InvalidInput
from a2a_node.model.workflow_ports import KnownAgents, KnownTemplates
from a2a_node.model.workflows import AgentCall, Object, PlannedStep, Problem, Severity, Template, TemplateStep
from a2a_node.workflows import expressions
from a2a_node.workflows.agreement import offers
from a2a_node.workflows.checking import input_of
from a2a_node.workflows.expansion import check_size, items_of, reached
from a2a_node.workflows.expressions import ExpressionFailed, Values
from a2a_node.workflows.graph import Graph
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.schemas import value_faults
from a2a_node.workflows.template import Reading

MOST_TOLD = 10  # inputs at fault
MOST_AGENTS = 10  # that are named for one step


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the mesh; None where there is nobody to ask."""

    agents: KnownAgents | None = None
    templates: KnownTemplates | None = None


def filled(template: Template, inputs: Object) -> Object:
    """The inputs of a run, defaults filled in; InvalidInput names those that are missing, unknown or do not fit."""
    faults: list[tuple[str, str]] = []
    taken = {one.name: one for one in template.inputs}
    faults += [(f"inputs.{name}", "is no input of this template") for name in inputs if name not in taken]
    for name, one in taken.items():
        if name in inputs:
            found = value_faults(one.schema, inputs[name])
            faults += [(".".join(("inputs", name, *map(str, fault.path))), fault.message) for fault in found]
        elif one.required:
            faults.append((f"inputs.{name}", "is required"))
    if faults:
        (field, problem), *more = faults
        raise InvalidInput(field, problem, more[: MOST_TOLD - 1])
    return {name: inputs.get(name, one.default) for name, one in taken.items()}


def growth(reading: Reading, inputs: Object, known: Known) -> Sequence[Problem]:
    """Why a run with these inputs, defaults filled in, would grow too large; nothing when it would not."""
    template, problems = reading.template, reading.problems
    check_size(template, reached(template, known.templates), Values.of({"inputs": inputs}), problems)
    return [problem for problem in problems.told() if problem.severity is Severity.ERROR]


def planned(template: Template, inputs: Object, known: Known, problems: Problems) -> Sequence[PlannedStep]:
    """The steps of a run in an order in which they could go, those of a wave side by side; InvalidInput for the inputs.

    The template has no errors. What would surely fail is told as a problem; then there is no plan.
    """
    values = Values.of({"inputs": filled(template, inputs)})
    graph, steps = Graph(template.steps), {step.id: step for step in template.steps}
    check_size(template, reached(template, known.templates), values, problems)
    found: dict[str, PlannedStep] = {}
    for name, wave in sorted(graph.waves.items(), key=lambda one: one[1]):
        skipped = any(found[need].skipped for need in graph.needs[name]) or _is_false(steps[name], values, problems)
        found[name] = _planned(steps[name], wave, skipped, values, problems)
        if known.agents and isinstance(work := steps[name].work, AgentCall):
            found[name] = _with_agents(found[name], work, known.agents)
    return () if problems.errors else list(found.values())


def _planned(step: TemplateStep, wave: int, skipped: bool, values: Values, problems: Problems) -> PlannedStep:  # noqa: FBT001
    given = input_of(step)
    if skipped:
        return PlannedStep(step, wave, input=given, skipped=True)
    try:
        said = expressions.resolved(given, values)
    except ExpressionFailed as error:
        path = ("steps", step.id, "input")
        problems.error(path, "bad-expression", f"the input of step {step.id!r} cannot be made: it {error}")
        said = given
    return PlannedStep(
        step, wave, input=said if isinstance(said, Mapping) else {}, items=items_of(step, values, problems)
    )


def _with_agents(found: PlannedStep, call: AgentCall, agents: KnownAgents) -> PlannedStep:
    names: list[str] = []
    with suppress(CapabilityNotFound):  # told as a problem already
        names = [agent.name for agent, _ in offers(call, agents)][:MOST_AGENTS]
    return PlannedStep(found.step, found.wave, names, found.input, found.skipped, found.items)


def _is_false(step: TemplateStep, values: Values, problems: Problems) -> bool:
    """Whether a condition is known to be false."""
    if not step.condition or not expressions.reads_only(step.condition, values):
        return False
    try:
        value = expressions.evaluated(step.condition, values)
    except ExpressionFailed as error:
        value, fault = True, f"the condition {step.condition[:80]!r} {error}"
        problems.error(("steps", step.id, "if"), "bad-expression", fault)
    if not isinstance(value, bool):
        fault = f"the condition {step.condition[:80]!r} is {type(value).__name__}, where true or false is needed"
        problems.error(("steps", step.id, "if"), "bad-type", fault)
    return value is False
