"""What is true of a template by itself: its graph, and what its expressions read."""

from __future__ import annotations

import json
from itertools import pairwise
from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2a_node.model.workflows import Severity
from tests.unit.workflows.samples import found, of_steps, only, rules

FAR_TOO_LONG = 2.0  # seconds of the processor


def source_of(edges: dict[str, list[str]]) -> str:
    """A source of steps that need each other so."""
    steps = {name: {"agent": "a", "needs": needs} for name, needs in edges.items()}
    return json.dumps({"name": "t", "steps": steps})


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    """A graph without a cycle, its steps in any order."""
    names = [f"s{place}" for place in range(draw(st.integers(1, 12)))]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else [] for at, name in enumerate(names)
    }
    return {name: needs[name] for name in draw(st.permutations(names))}


@settings(max_examples=50, deadline=None)
@given(acyclic())
def test_any_graph_without_a_cycle_passes(edges: dict[str, list[str]]) -> None:
    """However its steps are ordered in the source."""
    assert found(source_of(edges)) == []


@settings(max_examples=50, deadline=None)
@given(acyclic(), st.data())
def test_any_graph_with_a_cycle_is_refused(edges: dict[str, list[str]], data: st.DataObject) -> None:
    """And the cycle is named in order: each step of it needs the next one."""
    ring = data.draw(st.lists(st.sampled_from(sorted(edges)), min_size=1, unique=True))
    for step, need in zip(ring, [*ring[1:], ring[0]], strict=True):
        edges[step] = [*(one for one in edges[step] if one != need), need]
    told = [problem.message for problem in found(source_of(edges))]
    assert told
    for message in told:
        way = message.rpartition(": ")[2].split(" -> ")
        assert way[0] == way[-1]
        assert all(need in edges[step] for step, need in pairwise(way))


def test_a_cycle_is_told_at_the_step_that_it_begins_with() -> None:
    """With line and column."""
    problem = only(
        "name: t\nsteps:\n  a: {agent: x, needs: b}\n  b: {agent: x, needs: [c]}\n  c: {agent: x, needs: a}\n"
    )
    assert (problem.rule, problem.line, problem.column, problem.step) == ("cycle", 3, 24, "a")
    assert problem.message == "the steps need each other in a circle: a -> b -> c -> a"


def test_a_long_chain_and_a_wide_web_are_walked_in_a_moment() -> None:
    """A thousand steps one after the other; two hundred that need all those before."""
    begun = thread_time()
    chain: dict[str, list[str]] = {f"s{at}": [f"s{at - 1}"] if at else [] for at in range(1_000)}
    assert found(source_of(chain)) == []
    web = {f"s{at}": [f"s{other}" for other in range(at)] for at in range(190)}
    assert found(source_of(web)) == []
    assert thread_time() - begun < FAR_TOO_LONG


@pytest.mark.parametrize(
    ("steps", "rule", "why"),
    [
        ("a: {agent: x, needs: b}", "unknown-step", "no such step"),
        ("a: {agent: x}\nb: {agent: x, compensates: c}", "unknown-step", "no such step"),
        ("b: {agent: x, compensates: b}", "bad-value", "cannot be undone"),
        ("a: {agent: x}\nb: {agent: x, compensates: a, needs: a}", "bad-value", "can need nothing else"),
        (
            "a: {agent: x}\nb: {agent: x, compensates: a}\nc: {agent: x, compensates: b}",
            "bad-value",
            "cannot be undone",
        ),
        ("a: {agent: x}\nb: {agent: x, compensates: a}\nc: {agent: x, compensates: a}", "bad-value", "does, too"),
        ("a: {agent: x}\nb: {agent: x, compensates: a}\nc: {agent: x, needs: b}", "unreachable-step", "runs only to"),
        ("a: {agent: x, input: {b: '${{ 1 + }}'}}", "bad-expression", "at character 4"),
        ("a: {agent: x, input: {b: '${{ inputs.c'}}", "bad-expression", "without '}}'"),
        ("a: {agent: x, input: {b: '${{ inputs.c }}'}}", "unknown-input", "the template's inputs: none"),
        ("a: {agent: x, input: {b: '${{ nobody }}'}}", "bad-expression", "reads 'nobody'"),
        ("a: {agent: x, input: {b: '${{ item }}'}}", "bad-expression", "reads 'item'"),
        ("a: {agent: x, if: steps.b.output.ok}\nb: {agent: x}", "not-needed", "add it to 'needs'"),
        ("a: {agent: x, if: steps.c.output.ok}", "unknown-step", "no such step"),
        ("a: {agent: x}\nb: {agent: x, needs: a, if: steps.a.result}", "bad-expression", "output, status, error"),
        ("a: {agent: x}\nb: {agent: x, needs: a, if: size(steps) > 0}", "bad-expression", "name one"),
        ("a: {agent: x, if: 'context.l.map(x, x) == []'}", "bad-expression", "calls 'map'"),
        ("a: {agent: x, if: 'context.l.all(x, context.l.all(y, x == y))'}", "bad-expression", "more than one loop"),
        ("a: {agent: x, if: 'context.s.matches(context.r)'}", "bad-expression", "calls 'matches'"),
        (f"a: {{agent: x, if: '{'true || ' * 150}true'}}", "bad-expression", "1 to 1024"),
    ],
)
def test_what_is_wrong_with_a_graph_or_an_expression_is_told(steps: str, rule: str, why: str) -> None:
    """By its rule, and in words; what would loop for ever is refused before it is tried."""
    problem = only(of_steps(steps))
    assert (problem.rule, problem.severity) == (rule, Severity.ERROR), problem
    assert why in problem.message


def test_an_expression_is_told_at_its_own_column() -> None:
    """In the middle of a text, and what it reads in the middle of the expression."""
    problem = only("name: t\nsteps:\n  a:\n    agent: x\n    input:\n      b: some ${{ 1 < 2 && inputs.c }} text\n")
    assert (problem.line, problem.column) == (6, 28)


def test_steps_are_read_that_are_surely_done_before() -> None:
    """Those needed, those that they need, and for what undoes a step that step; the output reads any."""
    steps = (
        "a: {agent: x}\n"
        "b: {agent: x, needs: a}\n"
        "c: {agent: x, needs: b, if: \"steps.a.status == 'completed' && steps.b.output.ok\"}\n"
        "d: {agent: x, compensates: c, input: {a: '${{ steps.a.output }}', c: '${{ steps.c.output.id }}'}}"
    )
    assert found(of_steps(steps, "output: {c: '${{ steps.c.output }}', a: '${{ steps.a.error }}'}\n")) == []
    assert rules(of_steps("a: {agent: x}", "output: {b: '${{ steps.b.output }}'}\n")) == ["unknown-step"]


def test_words_in_quotes_read_nothing() -> None:
    """And fields that happen to be called like something else."""
    source = of_steps("a: {agent: x, if: \"context.steps.b == 'steps.c.output' && context.inputs == 1\"}")
    assert found(source) == []


def test_items_are_read_where_a_list_is_gone_through() -> None:
    """In the input, not in the list itself."""
    assert found(of_steps("a: {agent: x, foreach: '[1]', input: {n: '${{ item + index }}'}}")) == []
    assert rules(of_steps("a: {agent: x, foreach: '[item]'}")) == ["bad-expression"]


def test_steps_that_never_run_are_a_warning() -> None:
    """Because their condition is always false, or that of one before them."""
    problems = found(of_steps("a: {agent: x, if: 1 > 2}\nb: {agent: x, needs: a}\nc: {agent: x, if: 2 > 1}"))
    assert [(problem.rule, problem.step, problem.severity) for problem in problems] == [
        ("unreachable-step", "a", Severity.WARNING),
        ("unreachable-step", "b", Severity.WARNING),
    ]
    assert rules(of_steps("a: {agent: x, on_failure: compensate}")) == ["nothing-to-undo"]


def test_more_expressions_than_anybody_writes_are_refused() -> None:
    """Before they are looked at."""
    many = "${{ 1 }}" * 5_001
    assert rules(of_steps(f"a: {{agent: x, input: {{b: '{many}'}}}}")) == ["too-many-expressions"]
