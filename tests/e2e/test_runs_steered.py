"""Runs that people steer from any of two nodes, and steps that go wrong in every way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from urllib.request import urlopen

import psutil
import pytest

from a2a_node.client import MeshClient
from a2a_node.client.runs import RunTerms
from a2a_node.model.runs import Decision, Run, RunFilter
from tests.e2e.nodes import RunningNode, running_node
from tests.e2e.runs import AGENTS, Desk, at_desk, lines, soon, statuses

CALL = "agent: counting, capability: work"
LEASE = "300"  # seconds: longer than any test waits


@dataclass(frozen=True)
class House:
    """A node with its worker, and where the agent leaves its lines."""

    node: RunningNode
    effects: Path


@pytest.fixture(scope="module")
def house(open_folder: Path) -> Iterator[House]:
    """One node for all tests here: its worker starts but once."""
    effects = Path(mkdtemp(dir=open_folder)) / "effects"
    environ = {**AGENTS, "EFFECTS": str(effects)}
    options = ("--agent", "counting:agent", "--limit-burst", "1000", "--lease", LEASE)
    with running_node(open_folder / "steered", *options, environ=environ) as node:
        yield House(node, effects)


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    """A client of it."""
    effects = house.effects
    effects.with_suffix(".go").unlink(missing_ok=True)
    async with at_desk(house.node) as desk:
        yield desk


def template(name: str, *steps: str, head: str = "") -> str:
    """A template of these steps."""
    return "\n".join((f"name: {name}", head, "steps:", *(f"  {step}" for step in steps), ""))


def status(run: Run, step: str) -> str:
    """How a step stands."""
    return statuses(run)[step]


async def test_a_run_is_paused_and_resumed(desk: Desk, house: House) -> None:
    """The step at work ends, and no other begins meanwhile."""
    source = template("paused", f"a: {{{CALL}, input: {{step: pa, hold: true}}}}", f"b: {{{CALL}, needs: a}}")
    run_id = await desk.begin(source)
    await soon(lambda: lines(house.effects, ".held")["pa"] == 1)
    await desk.mesh.workflows.pause(run_id)
    house.effects.with_suffix(".go").touch()
    run = await desk.until(run_id, lambda run: status(run, "b") == "paused")
    assert (run.status, statuses(run)) == ("paused", {"a": "completed", "b": "paused"})
    await desk.mesh.workflows.resume(run_id)
    assert (await desk.ended(run_id)).status == "completed"


async def test_a_run_is_cancelled(desk: Desk, house: House) -> None:
    """Its step at work, too."""
    source = template("cancelled", f"a: {{{CALL}, input: {{step: ca, hold: true}}}}", f"b: {{{CALL}, needs: a}}")
    run_id = await desk.begin(source)
    await soon(lambda: lines(house.effects, ".held")["ca"] == 1)
    await desk.mesh.workflows.cancel(run_id, "enough")
    run = await desk.ended(run_id)
    assert (run.status, statuses(run)) == ("cancelled", {"a": "cancelled", "b": "cancelled"})
    house.effects.with_suffix(".go").touch()
    other = await desk.begin(template("after", f"a: {{{CALL}}}"))  # by whose end the agent would have gone on
    assert (await desk.ended(other)).status == "completed"
    assert lines(house.effects)["ca"] == 0


@pytest.mark.parametrize(("decision", "ends"), [(Decision.APPROVE, "completed"), (Decision.REJECT, "failed")])
async def test_a_run_waits_for_somebody(desk: Desk, decision: Decision, ends: str) -> None:
    """And goes on as they say."""
    source = template(
        "gated", "gate: {approval: {permission: 'workflow:gated:approve'}}", f"b: {{{CALL}, needs: gate}}"
    )
    run_id = await desk.begin(source)
    await desk.until(run_id, lambda run: run.status == "waiting")
    await desk.mesh.workflows.approve(run_id, "gate", decision)
    assert (await desk.ended(run_id)).status == ends


async def test_steps_give_way_to_calls(desk: Desk, house: House) -> None:
    """They begin apart while somebody calls, and go on all the same; afterwards they no longer do."""
    source = template(
        "beside", "a: {agent: echo, capability: say, foreach: inputs.many}", head="inputs: {many: {type: array}}"
    )
    run_id = await desk.begin(source, {"many": [{"text": "hello"}] * 300})

    async def calls() -> None:
        while True:
            await desk.mesh.call("echo", "say", {"text": "hello"})
            await asyncio.sleep(0.01)  # no flood: limits would end it

    calling = asyncio.create_task(calls())
    await soon(lambda: apart(house.node) > 0)
    calling.cancel()
    await asyncio.wait([calling])
    assert (await desk.ended(run_id)).status == "completed"
    await soon(lambda: apart(house.node) == 0)


def apart(node: RunningNode) -> float:
    """Seconds between two steps, as a node's figures say."""
    with urlopen(f"http://{node.http}/metrics", timeout=60) as page:
        found = re.search(r"^a2a_workflow_steps_apart_seconds (.+)$", page.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


async def test_a_failed_run_is_taken_up_again(desk: Desk, house: House) -> None:
    """What was done is not done again."""
    source = template(
        "retried", f"a: {{{CALL}, input: {{step: ra}}}}", "b: {agent: counting, capability: refuse, needs: a}"
    )
    run_id = await desk.begin(source)
    run = await desk.ended(run_id)
    assert (run.status, run.error.reason if run.error else "") == ("failed", "AGENT_REFUSED")
    house.effects.with_suffix(".go").touch()
    await desk.mesh.workflows.retry(run_id)
    run = await desk.until(run_id, lambda again: again.status.terminal and again.completed_at != run.completed_at)
    assert (run.status, run.error, lines(house.effects)["ra"]) == ("completed", None, 1)


async def test_a_step_that_makes_too_much_fails_alone(desk: Desk, house: House) -> None:
    """50 MiB; what others made stays."""
    source = template(
        "large",
        f"a: {{{CALL}, input: {{step: la}}}}",
        "b: {agent: counting, capability: large, needs: a, input: {megabytes: 50}, on_failure: continue}",
        "d: {agent: counting, capability: large, needs: a, input: {megabytes: 2}, on_failure: continue}",
        f"c: {{{CALL}, needs: [b, d], input: {{step: '${{{{ steps.a.output.step }}}}'}}}}",
    )
    run = await desk.ended(await desk.begin(source))
    assert (run.status, statuses(run)) == (
        "completed", {"a": "completed", "b": "failed", "d": "failed", "c": "completed"}
    )  # fmt: skip
    assert {step.id: step.error.reason for step in run.steps if step.error} == dict.fromkeys("bd", "PAYLOAD_TOO_LARGE")
    assert lines(house.effects)["la"] == 2


async def test_an_answer_after_the_timeout_is_not_taken(desk: Desk) -> None:
    """Each of two attempts has its time."""
    source = template("late", f"a: {{{CALL}, input: {{step: late, seconds: 20}}, timeout: 1s, retry: {{attempts: 2}}}}")
    run = await desk.ended(await desk.begin(source))
    assert (run.status, run.error.reason if run.error else "") == ("failed", "DEADLINE_EXCEEDED")
    assert [attempt.error.reason for attempt in run.steps[0].attempts if attempt.error] == ["DEADLINE_EXCEEDED"] * 2


async def test_an_agent_that_is_not_to_be_cancelled_answers_in_vain(desk: Desk, house: House) -> None:
    """It has done its work while the run still goes on, after its step's time, and nobody hears of it."""
    late = "a: {agent: counting, capability: insist, input: {step: va}, timeout: 1s, on_failure: continue}"
    gate = "gate: {needs: a, approval: {permission: 'workflow:late:approve'}}"
    source = template("insisting", late, gate, f"b: {{{CALL}, needs: gate, input: {{step: vb}}}}")
    run_id = await desk.begin(source + "output: {a: '${{ steps.a.output }}', why: '${{ steps.a.error.reason }}'}\n")
    await desk.until(run_id, lambda run: run.status == "waiting")
    house.effects.with_suffix(".go").touch()
    await soon(lambda: lines(house.effects)["va"] == 1)
    await desk.mesh.workflows.approve(run_id, "gate")
    run = await desk.ended(run_id)
    assert (run.status, statuses(run)) == ("completed", {"a": "failed", "gate": "completed", "b": "completed"})
    assert run.output == {"a": None, "why": "DEADLINE_EXCEEDED"}
    assert (await desk.mesh.workflows.run(run_id, "a")).steps[0].output is None
    assert [len(step.attempts) for step in run.steps if step.id == "a"] == [1]


async def test_a_run_that_would_start_too_many_steps_starts_none(desk: Desk, house: House) -> None:
    """A thousand items, which nobody knew of before, of five steps each."""
    five = (f"s{n}: {{{CALL}, input: {{step: many}}}}" for n in range(5))
    await desk.mesh.workflows.put(template("five", *five))
    await desk.mesh.workflows.put(template("many", "each: {workflow: five, foreach: context.items}"))
    terms = RunTerms(context={"items": list(range(1000))})
    run = await desk.ended((await desk.mesh.workflows.start("many", how=terms)).id)
    assert run.error is not None
    assert (run.error.code, run.error.reason) == ("INVALID_ARGUMENT", "INVALID_INPUT")
    assert run.error.message.startswith("steps.each.foreach: makes the run grow to 6,000 steps; the limit is 5,000")
    assert [child async for child in desk.mesh.workflows.runs(RunFilter(parent_run_id=run.id))] == []
    assert lines(house.effects)["many"] == 0


async def test_a_step_runs_another_template(desk: Desk, house: House) -> None:
    """For each item of a list; the runs are its children."""
    await desk.mesh.workflows.put(
        template("child", f"a: {{{CALL}, input: {{step: '${{{{ inputs.n }}}}'}}}}", head="inputs: {n: {type: string}}")
        + "output: {n: '${{ steps.a.output.step }}'}\n"
    )
    source = template("parent", "each: {workflow: child, foreach: '[\"c1\", \"c2\"]', input: {n: '${{ item }}'}}")
    run = await desk.ended(await desk.begin(source + "output: {all: '${{ steps.each.output }}'}\n"))
    assert run.output == {"all": [{"n": "c1"}, {"n": "c2"}]}
    assert (lines(house.effects)["c1"], lines(house.effects)["c2"]) == (1, 1)


async def test_a_lost_worker_is_started_again(desk: Desk, house: House) -> None:
    """And its runs go on at once, for its node knows that it is dead: nobody waits until its lease has ended."""
    (worker,) = [child for child in psutil.Process(house.node.pid).children() if "engine" in child.cmdline()]
    source = template("orphan", f"a: {{{CALL}, input: {{step: oa, hold: true}}}}", f"b: {{{CALL}, needs: a}}")
    run_id = await desk.begin(source)
    await soon(lambda: lines(house.effects, ".held")["oa"] == 1)
    worker.kill()
    house.effects.with_suffix(".go").touch()
    assert (await desk.ended(run_id)).status == "completed"
    assert lines(house.effects)["oa"] == 1


async def test_whoever_watches_hears_of_every_step(house: House, desk: Desk) -> None:
    """To the end."""
    run_id = await desk.begin(template("watched", f"a: {{{CALL}}}"))
    async with MeshClient(house.node.address, house.node.key) as mesh:
        events = [event async for event in mesh.workflows.watch(run_id)]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.step.status for event in events if event.step][-1] == "completed"
    assert events[-1].run is not None
    assert events[-1].run.status == "completed"
