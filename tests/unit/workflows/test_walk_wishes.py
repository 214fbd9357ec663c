"""Walks of runs of which people want something, that wait for them, or that somebody else goes on with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from a2a_node.model.errors import AgentRefused
from a2a_node.model.runs import Decision, RunStatus, Wishes
from a2a_node.model.workflows import Object
from a2a_node.workflows.walk_ports import Said
from tests.unit.virtual import in_no_time
from tests.unit.workflows.samples import of_steps
from tests.unit.workflows.walks import Agents, Paper, ended, failing, paper, slow, walk, walked


def during(source: str, at: str, then: Callable[[Paper], None], agents: Agents, **inputs: object) -> Paper:
    """A run of which somebody says something while a step stands so."""
    step, status = at.split()

    async def scenario() -> Paper:
        kept, template = paper(source, inputs)
        walking = walk(kept, template, agents)
        task = asyncio.create_task(walking.go())
        await kept.until(lambda: kept.steps[step].status == status)
        then(kept)
        await walking.look()
        await task
        return kept

    return in_no_time(scenario())


CHAIN = of_steps("a: {agent: slow}\nb: {agent: slow, needs: a}\nua: {agent: x, compensates: a}")


@pytest.mark.parametrize("compensating", [False, True])
def test_a_cancelled_run_ends_its_steps(compensating: bool) -> None:  # noqa: FBT001
    """And undoes what was done where that is wished."""
    agents = Agents({"slow": slow})
    kept = during(CHAIN, "b running", lambda k: k.wish(Wishes(cancelling=True, compensating=compensating)), agents)
    assert kept.run.status is RunStatus.CANCELLED
    undone = "completed" if compensating else "skipped"
    assert kept.statuses() == {"a": "completed", "b": "cancelled", "ua": undone}
    assert kept.steps["a"].compensated is compensating


@pytest.mark.parametrize("bell", [True, False])
def test_a_paused_run_lets_steps_end_and_begins_none(bell: bool) -> None:  # noqa: FBT001
    """Until somebody resumes it, whether a bell told of the pause or the record of what the next step follows on."""

    async def scenario() -> None:
        kept, template = paper(CHAIN)
        agents = Agents({"slow": slow})
        walking = walk(kept, template, agents)
        task = asyncio.create_task(walking.go())
        await kept.until(lambda: kept.steps["a"].status == "running")
        kept.wish(Wishes(pausing=True))
        if bell:
            await walking.look()
        await kept.until(lambda: kept.steps["b"].status == "paused")
        assert (kept.run.status, agents.order) == (RunStatus.PAUSED, ["a"])
        await asyncio.sleep(100)
        kept.wish(Wishes())
        await walking.look()
        assert await task == "completed"
        assert kept.statuses() == {"a": "completed", "b": "completed", "ua": "skipped"}

    in_no_time(scenario())


GATE = of_steps("gate: {approval: {permission: 'workflow:x'}, timeout: 1h}\nb: {agent: x, needs: gate}")


@pytest.mark.parametrize(
    ("decision", "status", "reason"),
    [(Decision.APPROVE, "completed", ""), (Decision.REJECT, "failed", "APPROVAL_REJECTED")],
)
def test_an_approval_is_waited_for(decision: Decision, status: str, reason: str) -> None:
    """Meanwhile the run waits."""

    def decide(kept: Paper) -> None:
        assert kept.run.status in (RunStatus.WAITING, RunStatus.PENDING)
        kept.decide("gate", decision)

    kept = during(GATE, "gate waiting", decide, Agents())
    assert kept.run.status == status
    assert (kept.run.error.reason if kept.run.error else "") == reason


def test_an_approval_that_nobody_gives_expires() -> None:
    """After its own time."""
    kept, _ = ended(GATE)
    assert kept.run.error is not None
    assert kept.run.error.reason == "APPROVAL_EXPIRED"


def test_a_run_whose_time_is_over_fails() -> None:
    """Its steps at work are cancelled."""

    async def scenario() -> Paper:
        kept, template = paper(of_steps("a: {agent: slow}\nb: {agent: slow, needs: a}"), seconds=1.5)
        await walked(kept, template, Agents({"slow": slow}))
        return kept

    kept = in_no_time(scenario())
    assert kept.run.error is not None
    assert (kept.run.status, kept.run.error.reason) == (RunStatus.FAILED, "RUN_EXPIRED")
    assert kept.statuses()["a"] == "completed"
    assert kept.statuses()["b"] in ("cancelled", "failed")


def test_a_run_is_taken_up_again_from_its_failed_steps() -> None:
    """Under a key of their own; what was undone is done again."""

    async def scenario() -> None:
        source = of_steps(
            "a: {agent: x}\nz: {agent: x}\nb: {agent: bad, needs: [a, z], on_failure: compensate}\n"
            "ua: {agent: x, compensates: a}"
        )
        kept, template = paper(source)
        agents = Agents({"bad": failing(AgentRefused("no"))})
        assert await walked(kept, template, agents) == "failed"
        kept.retried()
        assert await walked(kept, template, agents) == "completed"
        assert [call.key for call in agents.calls][4:] == ["r1:a:2", "r1:b:2"]
        assert kept.statuses() == {"a": "completed", "z": "completed", "b": "completed", "ua": "skipped"}

    in_no_time(scenario())


def test_what_an_agent_says_meanwhile_is_told() -> None:
    """Unless it is large."""

    async def telling(_: Object, said: Said) -> object:
        for output in (1, "x" * 5000, 2):
            await said(output)
        return 3

    kept, _ = ended(of_steps("a: {agent: t}"), Agents({"t": telling}))
    assert [getattr(one, "progress", None) for one in kept.told if getattr(one, "progress", None)] == [1, 2]


def test_whoever_leaves_lets_calls_end_and_begins_none() -> None:
    """Another engine goes on."""

    async def scenario() -> None:
        kept, template = paper(CHAIN)
        agents = Agents({"slow": slow})
        walking = walk(kept, template, agents)
        task = asyncio.create_task(walking.go())
        await kept.until(lambda: kept.steps["a"].status == "running")
        walking.leave()
        await walking.left.wait()
        assert (kept.steps["a"].status, agents.order) == ("completed", ["a"])
        task.cancel()
        await asyncio.wait([task])
        assert await walked(kept, template, agents) == "completed"
        assert agents.order == ["a", "b"]

    in_no_time(scenario())


def test_a_run_that_waits_keeps_no_outputs_in_memory() -> None:
    """Many may wait for days: what comes later reads them again from the record, and no other run has to."""
    read: list[str] = []

    async def scenario(gate: str) -> Paper:
        kept, template = paper(of_steps(f"a: {{agent: x, input: {{n: 5}}}}\n{gate}"))
        from_record = kept.read

        async def counted(run_id: str, step_id: str) -> tuple[object, dict[int, object]]:
            read.append(step_id)
            return await from_record(run_id, step_id)

        kept.read = counted  # type: ignore[method-assign]
        walking = walk(kept, template, Agents())
        task = asyncio.create_task(walking.go())
        if "gate" in kept.steps:
            await kept.until(lambda: kept.steps["gate"].status == "waiting")
            kept.decide("gate", Decision.APPROVE)
            await walking.look()
        await task
        return kept

    later = "b: {agent: x, needs: %s, input: {n: '${{ steps.a.output.n }}'}}"
    assert in_no_time(scenario(later % "a")).outputs["b"] == {"n": 5}
    assert read == []
    gate = "gate: {approval: {permission: 'workflow:x'}, needs: a}\n"
    assert in_no_time(scenario(gate + later % "gate")).outputs["b"] == {"n": 5}
    assert read == ["a"]
