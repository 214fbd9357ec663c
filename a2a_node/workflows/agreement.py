"""Whether steps agree with the agents that they call: that these are there, offer it, and take what they are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import CapabilityNotFound
from a2a_node.model.workflow_ports import KnownAgents
from a2a_node.model.workflows import AgentCall, Object, Template, TemplateStep
from a2a_node.workflows import expressions
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.schemas import at, types_of, value_faults
from a2a_node.workflows.source import Path

OF_KEYS = frozenset(("required", "additionalProperties", "minProperties", "maxProperties", "propertyNames"))
LIST: Object = {"type": "array"}

Offers = Sequence[tuple[AgentDescriptor, AgentCapability]]


def offers(call: AgentCall, agents: KnownAgents) -> Offers:
    """The agents that can do a call now, each with the capability; CapabilityNotFound of the one that is named."""
    if call.agent:
        known = agents.descriptor(call.agent)
        return [(known, known.capability(call.capability))] if known else []
    return [(agent, agent.capability(call.capability)) for agent in agents.offering(call.capability, call.tag)]


def check_agents(template: Template, agents: KnownAgents, problems: Problems) -> None:
    """Tell of agents that are not there (they may come later), and of what the others would refuse."""
    found: dict[str, Offers] = {}
    for step in template.steps:
        if isinstance(work := step.work, AgentCall) and (work.agent or work.capability):
            found[step.id] = _offers(step, work, agents, problems)
    known = _Known(template, found)
    for step in template.steps:
        if isinstance(step.work, AgentCall) and found.get(step.id):
            _check_input(step, step.work.input, [one.input_schema for _, one in found[step.id]], known, problems)


class _Known:
    """What is known of the values of expressions, before any run."""

    def __init__(self, template: Template, found: Mapping[str, Offers]) -> None:
        self._inputs = {one.name: one.schema for one in template.inputs}
        self._outputs = {
            step.id: LIST if step.foreach else found[step.id][0][1].output_schema
            for step in template.steps
            if len(found.get(step.id, ())) == 1
        }

    def schema(self, text: str) -> tuple[Object | None, str]:
        """The schema of an expression's value, None where there cannot be one; and what it is a part of."""
        root, *names = expressions.path_of(text) or ("",)
        if root == "inputs":
            return at(self._inputs.get(names[0], {}), names[1:]), f"the input {names[0]!r}"
        if root == "steps" and names[1:2] == ["output"]:
            return at(self._outputs.get(names[0], {}), names[2:]), f"the output of step {names[0]!r}"
        return {}, ""


def _offers(step: TemplateStep, call: AgentCall, agents: KnownAgents, problems: Problems) -> Offers:
    path: Path = ("steps", step.id)
    try:
        found = offers(call, agents)
    except CapabilityNotFound as error:
        problems.error((*path, "capability"), "unknown-capability", f"step {step.id!r}: {error.message}")
        return []
    if not found:
        tagged = f" and is tagged {call.tag!r}" if call.tag else ""
        whom = f"as {call.agent!r}" if call.agent else f"that offers {call.capability!r}{tagged}"
        said = f"step {step.id!r} calls an agent, and none is registered {whom}"
        problems.warn((*path, "agent" if call.agent else "capability"), "unknown-agent", said)
    return found


def _check_input(
    step: TemplateStep, given: Object, schemas: Sequence[Object], known: _Known, problems: Problems
) -> None:
    """An input that none of the agents takes is told with what the first of them has against it."""
    faults = [list(_faults(schema, given, known)) for schema in schemas]
    if all(faults):
        for path, message in faults[0]:
            problems.error(("steps", step.id, "input", *path), "bad-type", f"step {step.id!r}: {message}")


def _faults(schema: Object, given: Object, known: _Known) -> Iterator[tuple[Path, str]]:
    for fault in value_faults(schema, given):
        there = _part(given, fault.path)
        if fault.keyword in OF_KEYS or not any(expressions.expressions_in(there, ())):
            where = ".".join(("input", *map(str, fault.path)))
            yield fault.path, f"{where} does not fit what the agent takes: {fault.message}"
    yield from _faults_of_expressions(schema, given, (), known)


def _faults_of_expressions(schema: Object, given: Object, path: Path, known: _Known) -> Iterator[tuple[Path, str]]:
    for name, value in given.items():
        wanted, inner = at(schema, [name]), (*path, name)
        if wanted and isinstance(value, Mapping):
            yield from _faults_of_expressions(wanted, value, inner, known)
        elif wanted and (message := _disagreement(wanted, value, known)):
            yield inner, message


def _disagreement(wanted: Object, value: object, known: _Known) -> str:
    """Why the value of a text with expressions cannot be what is wanted; empty where it can, and for all others."""
    if not isinstance(value, str) or not any(expressions.expressions_in(value, ())):
        return ""
    text = expressions.whole(value)
    schema, what = known.schema(text) if text is not None else ({"type": "string"}, "")
    if schema is None:
        return f"{value[:80]} reads what {what} never has"
    allowed, given = types_of(wanted), types_of(schema)
    if allowed and given and not allowed & given:
        return f"{value[:80]} is {_either(given)}, where the agent takes {_either(allowed)}"
    return ""


def _either(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))


def _part(value: object, path: Path) -> object:
    for name in path:
        value = value[name]  # type: ignore[index]  # the path is one of this value
    return value
