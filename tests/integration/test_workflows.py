"""Templates of workflows through whole nodes: put at one, known at all, bounded in what they may cost."""

from __future__ import annotations

import asyncio
import json

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.model.audit import AuditEvent, AuditFilter
from a2a_node.model.errors import InvalidInput, PermissionDenied, TemplateInvalid, TemplateNotFound, VersionConflict
from a2a_node.model.workflows import Severity
from tests.integration.people import Meet, meet

__all__ = ["meet"]

GREETING = """\
name: greeting
description: Greets somebody, and says it again.
tags: [example]
inputs:
  who: {type: string}
  times: {type: integer, default: 2}
steps:
  greet:
    agent: greeter
    input: {name: "${{ inputs.who }}"}
    timeout: 10s
  echo:
    capability: say
    needs: greet
    if: inputs.times > 1
    input: {text: "${{ steps.greet.output.text }}"}
output: {text: "${{ steps.echo.output.text }}"}
"""
FAR_TOO_LONG = 60.0  # seconds, for what costs a moment


def greeter() -> Agent:
    """An agent that must be told a name."""
    agent = Agent("greeter")

    @agent.capability
    async def greet(name: str) -> dict[str, str]:
        """Say hello."""
        return {"text": f"Hello {name}!"}

    return agent


async def test_a_template_put_at_one_node_is_known_at_all(meet: Meet) -> None:
    """Whole, by its versions, and in the record of what was done."""
    async with meet("one") as one, meet("two") as two:
        put = await one.dev.workflows.put(GREETING, expected=0)
        assert (put.version.version, put.version.created_by) == (1, "person:dev")
        assert [(warning.rule, warning.line) for warning in put.warnings] == [("unknown-agent", 9)]
        assert await two.dev.workflows.get("greeting") == put.version
        with pytest.raises(VersionConflict):
            await two.dev.workflows.put(GREETING + "# more\n", expected=0)
        await two.dev.workflows.put(GREETING + "# more\n", expected=1)
        listed = [version async for version in one.dev.workflows.templates(tag="example")]
        assert [(version.template.name, version.version) for version in listed] == [("greeting", 2)]
        versions = [version.version async for version in one.dev.workflows.templates(name="greeting")]
        assert versions == [2, 1]
        put_them = AuditFilter(action="workflow:put-template")
        events: list[AuditEvent] = []
        async with asyncio.timeout(20):
            while len(events) < 3:
                events = [event async for event in one.dev.audit.list(put_them)]
                await asyncio.sleep(0.05)
        assert {(event.fact.target, event.fact.reason) for event in events} == {  # each node writes in its own time
            ("template:greeting 1", ""),
            ("", "VERSION_CONFLICT"),
            ("template:greeting 2", ""),
        }


async def test_agents_of_the_mesh_say_what_they_take(meet: Meet) -> None:
    """What they would refuse is an error with its line, from whichever node is asked."""
    async with meet() as one, attached(greeter(), one.node.grpc_address, key=one.dev_key):
        assert (await one.dev.workflows.validate(GREETING)).problems == []
        wrong = GREETING.replace("{name: ", "{nmae: ")
        problems = (await one.dev.workflows.validate(wrong)).problems
        assert {(problem.rule, problem.line, problem.severity) for problem in problems} == {
            ("bad-type", 10, Severity.ERROR)
        }
        with pytest.raises(TemplateInvalid, match="10:5: step 'greet'"):
            await one.dev.workflows.put(wrong)
        with pytest.raises(TemplateNotFound):
            await one.dev.workflows.get("greeting")


async def test_a_dry_run_says_who_would_do_what(meet: Meet) -> None:
    """Of a template that was put, and of a source; nothing is called."""
    async with meet() as one, attached(greeter(), one.node.grpc_address, key=one.dev_key):
        await one.dev.workflows.put(GREETING)
        plan = (await one.dev.workflows.plan("greeting", {"who": "Ann"})).plan
        assert [(step.step.id, step.wave, list(step.agents), step.skipped) for step in plan] == [
            ("greet", 0, ["greeter"], False),
            ("echo", 1, ["echo"], False),
        ]
        assert (plan[0].input, plan[0].step.timeout) == ({"name": "Ann"}, 10.0)
        once = (await one.dev.workflows.validate(GREETING, {"who": "Ann", "times": 1})).plan
        assert [step.skipped for step in once] == [False, True]
        with pytest.raises(InvalidInput, match=r"inputs\.who: is required"):
            await one.dev.workflows.plan("greeting", {})


async def test_bad_sources_cost_a_moment_and_say_what_is_wrong(meet: Meet) -> None:
    """Not YAML, a circle, no agent, a loop without end, ten thousand steps; the node goes on serving."""
    endless = "context.l.all(a, context.l.all(b, context.l.all(c, context.l.all(d, a == b))))"
    many = {f"s{place}": {"agent": "later"} for place in range(6_000)}
    bad = {
        "unreadable": "name: [",
        "cycle": "name: t\nsteps: {a: {agent: later, needs: b}, b: {agent: later, needs: a}}",
        "no-work": "name: t\nsteps: {a: {}}",
        "bad-expression": json.dumps({"name": "t", "steps": {"a": {"agent": "later", "if": endless}}}),
        "too-many-steps": json.dumps({"name": "t", "steps": many}),
    }
    async with meet() as one, asyncio.timeout(FAR_TOO_LONG):
        for rule, source in bad.items():
            found = await one.dev.workflows.validate(source)
            errors = {problem.rule for problem in found.problems if problem.severity is Severity.ERROR}
            assert (found.valid, errors) == (False, {rule})
            with pytest.raises(TemplateInvalid):
                await one.dev.workflows.put(source)
        assert await one.dev.call("echo", "say", {"text": "still here"}) == {"text": "still here"}


async def test_templates_need_permissions(meet: Meet) -> None:
    """One to read, another one to write."""
    async with meet() as one:
        with pytest.raises(PermissionDenied, match="workflow:read"):
            await one.ann.workflows.validate(GREETING)
        await one.dev.grants.give("person:ann", "workflow:read")
        assert (await one.ann.workflows.validate(GREETING)).valid
        with pytest.raises(PermissionDenied, match="workflow:write"):
            await one.ann.workflows.put(GREETING)
