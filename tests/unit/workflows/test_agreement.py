"""Steps and the agents that they call: who is there, what they offer, and what they take."""

from __future__ import annotations

import pytest

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.workflows import Severity
from a2a_node.workflows.plan import Known
from tests.unit.workflows.samples import Agents, agent, found, of_steps, only

TAKES = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "count": {"type": "integer"},
        "more": {"type": "object", "properties": {"deep": {"type": "boolean"}}},
    },
    "required": ["path"],
    "additionalProperties": False,
}
GIVES = {
    "type": "object",
    "properties": {"size": {"type": "integer"}, "name": {"type": "string"}},
    "additionalProperties": False,
}
BUILDER = agent("builder", TAKES, GIVES)
LENIENT = agent("lenient", {})
KNOWN = Known(Agents(BUILDER, LENIENT))
INPUTS = "inputs: {name: {type: string}, count: {type: number}, any: {}}\n"


@pytest.mark.parametrize(
    "given",
    [
        "path: here, count: 3",
        "path: '${{ inputs.name }}', count: '${{ inputs.any }}'",
        "path: 'in ${{ inputs.count }}', count: '${{ inputs.count }}'",  # a number may be whole
        "path: '${{ inputs.any.path }}', more: {deep: '${{ 1 < 2 }}'}",
    ],
)
def test_what_fits_or_may_fit_passes(given: str) -> None:
    """An expression whose type is not known may be anything."""
    assert found(of_steps(f"a: {{agent: builder, input: {{{given}}}}}", INPUTS), KNOWN) == []


@pytest.mark.parametrize(
    ("given", "column", "why"),
    [
        ("count: 3", 23, '"path" is a required property'),
        ("path: 5", 37, "is not of type"),
        ("path: a, other: 1", 23, "'other' was unexpected"),
        ("path: a, more: {deep: 1}", 53, "input.more.deep does not fit"),
        ("path: '${{ inputs.count }}'", 38, "is integer or number, where the agent takes string"),
        ("path: a, count: 'is ${{ inputs.any }}'", 48, "is string, where the agent takes integer"),
        ("path: a, more: {deep: '${{ inputs.name }}'}", 54, "is string, where the agent takes boolean"),
    ],
)
def test_what_an_agent_would_refuse_is_an_error_at_its_place(given: str, column: int, why: str) -> None:
    """What is missing, unknown, or of another type, be it an expression's."""
    problem = only(of_steps(f"a: {{agent: builder, input: {{{given}}}}}", INPUTS), KNOWN)
    assert (problem.rule, problem.severity, problem.line) == ("bad-type", Severity.ERROR, 4)
    assert problem.column == column, problem
    assert why in problem.message


def test_what_a_step_answers_is_known_where_its_agent_is() -> None:
    """A part that there never is, and one of another type; of a list that is gone through only that it is one."""
    first = "a: {agent: builder, input: {path: x}}\n"
    then = "b: {agent: builder, needs: a, input: {path: '${{ steps.a.output.%s }}'}}"
    assert found(of_steps(first + then % "name"), KNOWN) == []
    assert "is integer" in only(of_steps(first + then % "size"), KNOWN).message
    assert "never has" in only(of_steps(first + then % "nothing"), KNOWN).message
    several = "a: {agent: builder, foreach: '[1]', input: {path: x}}\n"
    whole = "b: {agent: builder, needs: a, input: {path: '${{ steps.a.output }}'}}"
    assert "is array" in only(of_steps(several + whole), KNOWN).message


def test_an_agent_that_is_not_there_may_come_later() -> None:
    """A warning, whether it is named or chosen."""
    for step, why in (
        ("a: {agent: nobody}", "'nobody'"),
        ("a: {capability: fly}", "offers 'fly'"),
        ("a: {capability: work, tag: wings}", "is tagged 'wings'"),
    ):
        problem = only(of_steps(step), KNOWN)
        assert (problem.rule, problem.severity) == ("unknown-agent", Severity.WARNING)
        assert why in problem.message


def test_a_capability_that_an_agent_has_not_is_an_error() -> None:
    """By name, or because it has several and none is named."""
    assert only(of_steps("a: {agent: builder, capability: fly}"), KNOWN).rule == "unknown-capability"
    two = AgentDescriptor("two", capabilities=(AgentCapability("one"), AgentCapability("other")))
    assert only(of_steps("a: {agent: two}"), Known(Agents(two))).rule == "unknown-capability"


def test_a_step_that_names_nobody_is_told_once() -> None:
    """As what it is; nobody is looked for."""
    assert only(of_steps("a: {}"), KNOWN).rule == "no-work"


def test_of_several_agents_one_must_take_the_input() -> None:
    """Whichever is chosen in the end."""
    assert found(of_steps("a: {capability: work, tag: tools, input: {any: thing}}"), KNOWN) == []
    alone = Known(Agents(BUILDER))
    assert "unexpected" in found(of_steps("a: {capability: work, input: {any: thing}}"), alone)[0].message
