"""The dry run: waves, agents, what is given, and what is skipped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from a2a_node.model.errors import InvalidInput
from a2a_node.workflows.plan import Known
from a2a_node.workflows.validating import NOBODY, Validation, validated
from tests.unit.workflows.samples import RELEASE, Agents, agent, of_steps
from tests.unit.workflows.test_checking import acyclic, source_of


def planned(source: str, known: Known = NOBODY, **inputs: object) -> Validation:
    """What is said of a run with these inputs."""
    return validated(source, known, inputs)


@settings(max_examples=50, deadline=None)
@given(acyclic())
def test_every_step_comes_after_all_that_it_needs(edges: dict[str, list[str]]) -> None:
    """In the order of the plan, and by its waves, each as early as it can be."""
    plan = planned(source_of(edges)).plan
    assert {step.step.id for step in plan} == edges.keys()
    waves = {step.step.id: step.wave for step in plan}
    order = [step.step.id for step in plan]
    for name, needs in edges.items():
        assert waves[name] == max((waves[need] + 1 for need in needs), default=0)
        assert all(order.index(need) < order.index(name) for need in needs)


def test_a_plan_says_what_is_known_before_the_run() -> None:
    """Inputs are filled in, what steps will answer stays an expression; what compensates is no part of it."""
    known = Known(Agents(agent("git", {}), agent("deployer", {})))
    plan = {step.step.id: step for step in planned(RELEASE, repository="/srv/code").plan}
    assert [(name, step.wave) for name, step in plan.items()] == [
        ("fetch", 0),
        ("lint", 1),
        ("build", 1),
        ("gate", 2),
        ("ship", 3),
    ]
    assert plan["fetch"].input == {"url": "/srv/code"}
    assert plan["lint"].input == {"file": "${{ steps.fetch.output.path }}/${{ item }}"}
    assert (plan["lint"].items, plan["fetch"].items) == (2, None)
    tools = of_steps("a: {capability: work, tag: tools}\nb: {agent: git}\nc: {agent: nobody}")
    assert [list(step.agents) for step in planned(tools, known).plan] == [["git", "deployer"], ["git"], []]


def test_values_become_what_they_are_and_text_among_words() -> None:
    """A whole number stays one."""
    source = of_steps("a: {agent: x, input: {n: '${{ inputs.n }}', t: 'n=${{ inputs.n }} l=${{ inputs.l }}'}}", INPUTS)
    (step,) = planned(source, n=3, l=[1, "b"]).plan
    assert step.input == {"n": 3, "t": 'n=3 l=[1, "b"]'}


INPUTS = "inputs: {n: {type: integer}, l: {type: array}}\n"


def test_steps_that_are_skipped_take_those_with_them_that_need_them() -> None:
    """As far as conditions are known."""
    source = of_steps(
        "a: {agent: x, if: inputs.n > 5}\nb: {agent: x, needs: a}\nc: {agent: x, if: inputs.n < 5}\n"
        "d: {agent: x, needs: c, if: steps.c.output.ok}",
        INPUTS,
    )
    assert {step.step.id: step.skipped for step in planned(source, n=1, l=[]).plan} == {
        "a": True,
        "b": True,
        "c": False,
        "d": False,
    }


@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        ({}, ["inputs.n", "inputs.l"]),
        ({"n": "one", "l": []}, ["inputs.n"]),
        ({"n": 1, "l": [], "other": 1}, ["inputs.other"]),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: dict[str, object], fields: list[str]) -> None:
    """Missing, of another type, unknown; all at once."""
    with pytest.raises(InvalidInput) as refused:
        validated(of_steps("a: {agent: x}", INPUTS), NOBODY, inputs)
    assert [field for field, _ in refused.value.violations] == fields


@pytest.mark.parametrize(
    ("step", "rule", "why"),
    [
        ("a: {agent: x, input: {b: '${{ inputs.l[7] }}'}}", "bad-expression", "out of bounds"),
        ("a: {agent: x, if: inputs.n}", "bad-type", "is int, where true or false"),
        ("a: {agent: x, if: 'inputs.l[7]'}", "bad-expression", "out of bounds"),
        ("a: {agent: x, foreach: inputs.n}", "bad-type", "no list"),
        (
            "a: {agent: x, input: {b: \"${{ timestamp('2026-11-27T00:00:00Z') }}\"}}",
            "bad-expression",
            "JSON cannot say",
        ),
        ("a: {agent: x, input: {b: '${{ {1: 2} }}'}}", "bad-expression", "a key that is no text"),
    ],
)
def test_what_would_surely_fail_is_told_and_not_planned(step: str, rule: str, why: str) -> None:
    """With these inputs."""
    done = planned(of_steps(step, INPUTS), n=1, l=[1])
    assert done.plan == ()
    assert [problem.rule for problem in done.errors] == [rule], done.errors
    assert why in done.errors[0].message


def test_a_run_that_grows_too_large_is_not_planned() -> None:
    """By what it is given."""
    source = of_steps("\n".join(f"s{place}: {{agent: x, foreach: inputs.l}}" for place in range(10)), INPUTS)
    done = planned(source, n=1, l=list(range(1_000)))
    assert ([problem.rule for problem in done.errors], done.plan) == (["too-many-steps"], ())
