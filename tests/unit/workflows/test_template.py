"""Templates: what a source says, and what is wrong with its form."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.workflows import (
    AgentCall,
    Approval,
    OnFailure,
    Retry,
    SubWorkflow,
    TemplateInput,
)
from tests.unit.workflows.samples import RELEASE, found, of_steps, only, read, rules


def test_a_template_says_everything_of_a_workflow() -> None:
    """What it is, what it is given, and what it does."""
    template = read(RELEASE)
    assert (template.name, template.description, template.tags) == ("release", "Builds and ships.", ("ci",))
    assert (template.timeout, template.schedule, template.max_concurrent_runs) == (3600, "", 2)
    assert template.inputs == (
        TemplateInput("repository", "Where it lies.", {"type": "string"}),
        TemplateInput("files", "", {"type": "array"}, required=False, default=["a.py", "b.py"]),
    )
    assert template.output == {"url": "${{ steps.ship.output.url }}"}
    assert [step.id for step in template.steps] == ["fetch", "lint", "build", "gate", "ship", "unship"]
    assert found(RELEASE) == []


def test_steps_call_agents_run_templates_or_wait_for_somebody() -> None:
    """With all that is to be said of when and how often."""
    fetch, lint, build, gate, ship, unship = read(RELEASE).steps
    assert fetch.work == AgentCall("git", "clone", "", {"url": "${{ inputs.repository }}"})
    assert fetch.retry == Retry(3, 2.0, ("AGENT_LOST", "NO_INSTANCE"))
    assert (fetch.timeout, fetch.needs, fetch.on_failure) == (300.0, (), OnFailure.FAIL)
    assert isinstance(lint.work, AgentCall)
    assert (lint.work.agent, lint.work.capability, lint.work.tag) == ("", "lint", "python")
    assert (lint.needs, lint.foreach, lint.max_concurrent_items) == (("fetch",), "inputs.files", 4)
    assert isinstance(build.work, SubWorkflow)
    assert build.work.template == "wheel"
    assert gate.work == Approval("workflow:release:approve", "Ship it?")
    assert (gate.condition, gate.timeout) == ("size(inputs.files) > 0", 86_400.0)
    assert (ship.on_failure, unship.compensates) == (OnFailure.COMPENSATE, "ship")


@pytest.mark.parametrize(
    ("source", "rule", "line", "column", "why"),
    [
        ("just words", "bad-value", 1, 1, "must be an object"),
        ("steps: {a: {agent: b}}", "missing-key", 1, 1, "needs 'name'"),
        ("name: Release\nsteps: {a: {agent: b}}", "bad-name", 1, 7, "'Release'"),
        ("name: t\n", "missing-key", 1, 1, "needs 'steps'"),
        ("name: t\nsteps: {}\n", "missing-key", 2, 1, "at least one step"),
        ("name: t\nsteps: [a]\n", "bad-value", 2, 1, "must be an object"),
        ("name: t\ntag: [x]\nsteps: {a: {agent: b}}", "unknown-key", 2, 1, "did you mean 'tags'"),
        ("name: t\ntags: [X]\nsteps: {a: {agent: b}}", "bad-name", 2, 8, "is no name"),
        ("name: t\nschedule: daily\nsteps: {a: {agent: b}}", "bad-value", 2, 11, "must have five"),
        ("name: t\nschedule: 61 * * * *\nsteps: {a: {agent: b}}", "bad-value", 2, 11, "from 0 to 59"),
        ("name: t\nschedule: '*/0 * * * *'\nsteps: {a: {agent: b}}", "bad-value", 2, 12, "for the minute"),
        (
            "name: t\ninputs: {day: {type: string}, n: {default: 1}}\nschedule: 0 3 * * *\nsteps: {a: {agent: b}}",
            "needs-defaults",
            3,
            11,
            "none for day",
        ),
        ("name: t\ntimeout: 90\nsteps: {a: {agent: b}}", "bad-value", 2, 10, "must be a span"),
        ("name: t\ntimeout: 31d\nsteps: {a: {agent: b}}", "bad-value", 2, 10, "from 1 s to"),
        ("name: t\nmax_concurrent_runs: 0\nsteps: {a: {agent: b}}", "bad-value", 2, 22, "whole number from 1"),
        ("name: t\nmax_concurrent_runs: true\nsteps: {a: {agent: b}}", "bad-value", 2, 22, "whole number"),
        ("name: t\ndescription: 7\nsteps: {a: {agent: b}}", "bad-value", 2, 14, "put it in quotes"),
        ("name: t\ninputs: {in: {}}\nsteps: {a: {agent: b}}", "bad-name", 2, 10, "no word of CEL"),
        ("name: t\ninputs: {a: {type: text}}\nsteps: {a: {agent: b}}", "bad-value", 2, 20, "must be one of string"),
        ("name: t\ninputs: {a: {schema: {type: 5}}}\nsteps: {a: {agent: b}}", "bad-schema", 2, 14, "JSON Schema"),
        (
            "name: t\ninputs: {a: {schema: {$ref: 'http://x/y'}}}\nsteps: {a: {agent: b}}",
            "bad-schema",
            2,
            14,
            "fetched",
        ),
        ("name: t\ninputs: {a: {type: string, default: 5}}\nsteps: {a: {agent: b}}", "bad-type", 2, 37, "not fit"),
    ],
)
def test_what_is_wrong_in_its_form_is_told_with_its_place(
    source: str, rule: str, line: int, column: int, why: str
) -> None:
    """The rule, the line, the column, and words."""
    problem = found(source)[0]
    assert (problem.rule, problem.line, problem.column) == (rule, line, column), problem
    assert why in problem.message


@pytest.mark.parametrize(
    ("step", "rule", "why"),
    [
        ("a: {}", "no-work", "names no agent"),
        ("a: {description: what}", "no-work", "names no agent"),
        ("a: 5", "bad-value", "must be an object"),
        ("A: {agent: b}", "bad-name", "steps.A must be"),
        ("a: {agent: b, workflow: c}", "no-work", "does one thing"),
        ("a: {agent: b, approval: {permission: 'x:y'}}", "no-work", "does one thing"),
        ("a: {agent: B}", "bad-name", "is no name"),
        ("a: {agent: b, tag: c}", "bad-value", "chooses among agents"),
        ("a: {tag: c, workflow: b}", "bad-value", "chooses among agents"),
        ("a: {workflow: 'B C'}", "bad-name", "no name of a template"),
        ("a: {approval: {}}", "missing-key", "needs 'permission'"),
        ("a: {approval: {permission: everything}}", "bad-value", "is no permission"),
        ("a: {approval: {permission: 'x:y'}, retry: {attempts: 2}}", "bad-value", "beside 'approval'"),
        ("a: {agent: b, retry: {attempts: 0}}", "bad-value", "from 1 to 20"),
        ("a: {agent: b, retry: {reasons: [WEATHER]}}", "bad-value", "no reason of a failure"),
        ("a: {agent: b, retry: {times: 2}}", "unknown-key", "attempts"),
        ("a: {agent: b, on_failure: shrug}", "bad-value", "fail, continue, compensate"),
        ("a: {agent: b, needs: 5}", "bad-value", "list of texts"),
        ("a: {agent: b, input: 5}", "bad-value", "must be an object"),
        ("a: {agent: b, max_concurrent_items: 5}", "bad-value", "needs 'foreach'"),
    ],
)
def test_what_is_wrong_with_a_step_names_the_step(step: str, rule: str, why: str) -> None:
    """In the problem, and in its words."""
    problem = found(of_steps(step))[0]
    assert problem.rule == rule, problem
    assert why in problem.message
    assert problem.step in {"a", "A"}


def test_the_template_of_the_manual_has_no_problems() -> None:
    """As it is printed there."""
    manual = (Path(__file__).parents[3] / "docs" / "workflows.md").read_text(encoding="utf-8")
    assert found(manual.partition("```yaml\n")[2].partition("```")[0]) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    """In the order of the source."""
    source = "name: T\ntimeout: soon\nsteps:\n  a: {agent: B, retries: 1}\n  b: {}\n"
    assert rules(source) == ["bad-name", "bad-value", "bad-name", "unknown-key", "no-work"]


def test_no_more_is_told_than_anybody_reads() -> None:
    """A hundred problems."""
    source = of_steps("\n".join(f"s{place}: {{}}" for place in range(200)))
    assert len(found(source)) == 100


def test_a_source_of_ten_thousand_steps_is_refused() -> None:
    """By their number."""
    source = of_steps("\n".join(f"s{place}: {{agent: a}}" for place in range(6_000)))
    assert (only(source).rule, "the limit is 1,000" in only(source).message) == ("too-many-steps", True)
    assert "more than 20,000 values" in only(of_steps("\n".join(f"s{n}: {{agent: a}}" for n in range(11_000)))).message


def test_a_list_may_stand_where_a_list_is_gone_through() -> None:
    """And a condition may be true or false, or wrapped like all other expressions."""
    first, second = read(of_steps("a: {agent: b, foreach: [x, 1], if: false}\nc: {agent: b, if: '${{ 1 < 2 }}'}")).steps
    assert (first.foreach, first.condition, second.condition) == ('["x", 1]', "false", "1 < 2")
