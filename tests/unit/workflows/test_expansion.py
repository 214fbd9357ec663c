"""What a run grows to: items of lists, and steps of the templates that it starts."""

from __future__ import annotations

import json

import pytest

from a2a_node.model.workflows import Severity
from a2a_node.workflows.plan import Known
from tests.unit.workflows.samples import Kept, found, of_steps, only, rules


def named(name: str, steps: str, head: str = "") -> str:
    """A source of that name."""
    return of_steps(steps, head).replace("name: t", f"name: {name}", 1)


def test_a_list_of_ten_thousand_is_refused() -> None:
    """As the default of an input, before anybody runs it."""
    head = f"inputs: {{l: {{default: {json.dumps(list(range(10_000)))}}}}}\n"
    problem = found(of_steps("a: {agent: x, foreach: inputs.l}", head))[0]
    assert (problem.rule, problem.line, problem.step) == ("too-many-steps", 4, "a")
    assert "10,000 items; the limit is 1,000" in problem.message


def test_many_lists_together_are_refused() -> None:
    """Six times a thousand."""
    head = f"inputs: {{l: {{default: {json.dumps(list(range(1_000)))}}}}}\n"
    six = "\n".join(f"s{place}: {{agent: x, foreach: inputs.l}}" for place in range(6))
    assert "grows to 6,000 steps" in only(of_steps(six, head)).message
    assert found(of_steps(six.rpartition("\n")[0], head)) == []


def test_what_is_no_list_is_not_gone_through() -> None:
    """As far as that is known."""
    assert rules(of_steps("a: {agent: x, foreach: '5'}")) == ["bad-type"]
    assert rules(of_steps("a: {agent: x, foreach: '[1][7]'}")) == ["bad-expression"]
    assert found(of_steps("a: {agent: x, foreach: inputs.l}", "inputs: {l: {}}\n")) == []


def test_templates_that_double_each_other_are_refused() -> None:
    """Twelve of them are 8,190 steps."""
    sources = [named("t0", "a: {agent: x}\nb: {agent: x}")]
    sources += [named(f"t{at}", f"a: {{workflow: t{at - 1}}}\nb: {{workflow: t{at - 1}}}") for at in range(1, 12)]
    assert found(sources[5], Known(templates=Kept(*sources))) == []
    assert "grows to 8,190 steps" in only(sources[11], Known(templates=Kept(*sources))).message


def test_templates_that_start_each_other_are_refused() -> None:
    """The circle is named; a template that starts itself needs no other to be found out."""
    kept = Kept(named("b", "s: {workflow: c}"), named("c", "s: {workflow: a}"))
    problem = only(named("a", "s: {workflow: b}"), Known(templates=kept))
    assert (problem.rule, problem.line) == ("cycle", 3)
    assert problem.message.endswith("a -> b -> c -> a")
    assert only(named("a", "s: {workflow: a}")).rule == "cycle"


def test_a_circle_of_others_comes_to_an_end() -> None:
    """It can be there only when two nodes put its halves at the same moment; whoever leads into it is told where."""
    kept = Kept(named("b", "s: {workflow: c}"), named("c", "s: {workflow: b}"))
    problem = only(named("a", "r: {agent: x}\ns: {workflow: b}"), Known(templates=kept))
    assert (problem.rule, problem.line, problem.step) == ("cycle", 4, "s")
    assert problem.message.endswith("b -> c -> b")


def line(runs: int, last: str) -> list[str]:
    """Templates of which each runs the next, and what the last one does."""
    steps = [f"s: {{workflow: t{at + 1}}}" for at in range(runs - 1)]
    return [named(f"t{at}", step) for at, step in enumerate([*steps, last])]


@pytest.mark.parametrize("runs", [33, 40, 300])
def test_a_circle_is_found_however_large_it_is(runs: int) -> None:
    """Or it has too many templates to be looked at."""
    first, *others = line(runs, "s: {workflow: t0}")
    problem = only(first, Known(templates=Kept(*others)))
    assert (problem.rule, problem.line) == (("cycle", 3) if runs < 257 else ("too-many-templates", 2))


@pytest.mark.parametrize(("runs", "told"), [(32, []), (33, ["too-deep"]), (256, ["too-deep"])])
def test_runs_start_each_other_so_often_in_a_line(runs: int, told: list[str]) -> None:
    """The step is named by which it goes too deep; many side by side may be."""
    first, *others = line(runs, "s: {agent: x}")
    problems = found(first, Known(templates=Kept(*others)))
    assert [problem.rule for problem in problems] == told
    assert {(problem.line, problem.step) for problem in problems} <= {(3, "s")}
    wide = [named(f"w{at}", "s: {agent: x}") for at in range(runs - 1)]
    steps = "\n".join(f"s{at}: {{workflow: w{at}}}" for at in range(runs - 1))
    assert found(named("a", steps), Known(templates=Kept(*wide))) == []


def test_a_template_must_be_given_what_it_takes() -> None:
    """Nothing else, and all that has no default; one that is not there may come later."""
    known = Known(templates=Kept(named("b", "s: {agent: x}", "inputs: {need: {}, may: {default: 1}}\n")))
    assert rules(named("a", "s: {workflow: b, input: {need: 1, may: 2}}"), known) == []
    problem = only(named("a", "s: {workflow: b}"), known)
    assert (problem.rule, "'need' of 'b'" in problem.message) == ("missing-input", True)
    assert rules(named("a", "s: {workflow: b, input: {need: 1, other: 2}}"), known) == ["unknown-input"]
    absent = only(named("a", "s: {workflow: nobody}"), known)
    assert (absent.rule, absent.severity) == ("unknown-template", Severity.WARNING)
