"""Runs on two nodes: steered from the one that does not execute them, handed over, undone, and held up by Postgres."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psutil
import pytest

from a2a_node.model.errors import MeshError, RunStateConflict
from a2a_node.model.runs import Decision, Run
from a2a_node.store.embedded import embedded, held
from tests import seeds
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.runs import AGENTS, Desk, at_desk, lines, soon, statuses

CALL = "agent: counting, capability: work"
OPTIONS = ("--lease", "3", "--agent", "counting:agent", "--limit-burst", "1000")
AWAY = 4.0  # seconds: longer than a lease


@dataclass(frozen=True)
class Pair:
    """Two nodes on stores of their own, and where their agents leave lines."""

    nodes: Mapping[str, RunningNode]
    environ: Mapping[str, str]
    folder: Path
    effects: Path

    def postgres(self) -> list[psutil.Process]:
        """Its processes."""
        (file,) = self.folder.glob("**/postmaster.pid")
        keeper = psutil.Process(int(file.read_text().splitlines()[0]))
        return [keeper, *keeper.children(recursive=True)]


@dataclass(frozen=True)
class Desks:
    """A client of each node."""

    pair: Pair
    of: Mapping[str, Desk]

    async def held(self, step: str, source: str) -> tuple[str, Desk, Desk]:
        """A run whose first step is held at work; a desk at the node that executes it, and one at the other."""
        run_id = await self.of["n1"].begin(source)
        await soon(lambda: lines(self.pair.effects, ".held")[step] == 1)
        run = await self.of["n1"].until(run_id, lambda run: bool(run.steps[0].attempts))
        here = run.steps[0].attempts[-1].node_id
        (there,) = set(self.of) - {here}
        return run_id, self.of[here], self.of[there]

    def go(self) -> None:
        """Let held steps go on."""
        self.pair.effects.with_suffix(".go").touch()


@pytest.fixture(scope="module")
def pair(open_folder: Path) -> Iterator[Pair]:
    """For all tests here: stores, nodes and workers start but once."""
    folder = Path(mkdtemp(dir=open_folder))
    folder.chmod(0o711)
    effects = folder / "effects"
    seeds.sow(folder / "stores")
    with asyncio.Runner() as runner, held(folder / "stores") as directory:
        house = AsyncExitStack()
        try:
            urls = runner.run(house.enter_async_context(embedded(directory)))
            stores = {"A2A_POSTGRES_URL": urls.postgres_url, "A2A_REDIS_URL": urls.redis_url}
            environ = {**AGENTS, **stores, "EFFECTS": str(effects)}
            with (
                mesh_node(folder / "n1", environ, *OPTIONS, "--node-id", "n1") as first,
                mesh_node(folder / "n2", environ, *OPTIONS, "--node-id", "n2") as second,
            ):
                yield Pair({"n1": first, "n2": second}, environ, folder, effects)
        finally:
            runner.run(house.aclose())


@pytest.fixture
async def desks(pair: Pair) -> AsyncIterator[Desks]:
    """Clients of both."""
    pair.effects.with_suffix(".go").unlink(missing_ok=True)
    async with at_desk(pair.nodes["n1"]) as first, at_desk(pair.nodes["n2"]) as second:
        yield Desks(pair, {"n1": first, "n2": second})


def two(name: str, mark: str, more: str = "") -> str:
    """A template of a step that is held, and one after it."""
    steps = (
        f"  a: {{{CALL}, input: {{step: {mark}a, hold: true}}}}\n  b: {{{CALL}, input: {{step: {mark}b}}, needs: a}}"
    )
    return f"name: {name}\nsteps:\n{steps}\n{more}"


async def both(*wishes: object) -> list[object]:
    """What came of wishes that were told at once."""
    return await asyncio.gather(*wishes, return_exceptions=True)  # type: ignore[call-overload, no-any-return]


async def test_a_run_is_cancelled_from_the_other_node(desks: Desks) -> None:
    """Its step at work with it."""
    run_id, _, there = await desks.held("cna", two("pair-cancelled", "cn"))
    await there.mesh.workflows.cancel(run_id, "enough")
    run = await there.ended(run_id)
    assert (run.status, statuses(run)) == ("cancelled", {"a": "cancelled", "b": "cancelled"})
    desks.go()


async def test_a_run_is_paused_and_resumed_from_the_other_node(desks: Desks) -> None:
    """The step at work ends meanwhile."""
    run_id, here, there = await desks.held("psa", two("pair-paused", "ps"))
    await there.mesh.workflows.pause(run_id)
    desks.go()
    run = await here.until(run_id, lambda run: run.status == "paused" and statuses(run)["b"] == "paused")
    assert statuses(run)["a"] == "completed"
    await there.mesh.workflows.resume(run_id)
    assert (await here.ended(run_id)).status == "completed"


async def test_a_run_is_approved_and_retried_from_the_other_node(desks: Desks) -> None:
    """What was done is not done again."""
    more = "  gate: {approval: {permission: 'pair:it'}, needs: b}\n"
    more += "  c: {agent: counting, capability: refuse, needs: gate}\n"
    run_id, here, there = await desks.held("apa", two("pair-approved", "ap", more))
    desks.go()
    await there.until(run_id, lambda run: run.status == "waiting")
    desks.pair.effects.with_suffix(".go").unlink()
    await there.mesh.workflows.approve(run_id, "gate", Decision.APPROVE)
    assert (await here.ended(run_id)).status == "failed"
    desks.go()
    await there.mesh.workflows.retry(run_id)
    run = await here.until(run_id, lambda run: run.status.terminal and run.wishes.group == 1)
    assert (run.status, lines(desks.pair.effects)["apa"], lines(desks.pair.effects)["apb"]) == ("completed", 1, 1)


async def test_two_nodes_are_told_otherwise_at_once(desks: Desks) -> None:
    """Cancel wins over resume whichever is first, and both nodes say the same in the end."""
    run_id, here, there = await desks.held("twa", two("pair-both", "tw"))
    await there.mesh.workflows.pause(run_id)
    said = await both(
        *(desk.mesh.workflows.cancel(run_id, "enough") for desk in (here, there)),
        *(desk.mesh.workflows.resume(run_id) for desk in (here, there)),
    )
    assert [one for one in said[:2] if isinstance(one, BaseException)] == []
    assert [one for one in said[2:] if isinstance(one, BaseException) and not isinstance(one, RunStateConflict)] == []
    ended = await asyncio.gather(here.ended(run_id), there.ended(run_id))
    assert [run.status for run in ended] == ["cancelled", "cancelled"]
    desks.go()
    assert lines(desks.pair.effects)["twb"] == 0


async def test_what_was_done_is_undone(desks: Desks) -> None:
    """By agents of these nodes, the latest first, each once."""
    source = "\n".join(
        (
            "name: pair-undone",
            "steps:",
            f"  a: {{{CALL}, input: {{step: un-a}}, on_failure: compensate}}",
            f"  b: {{{CALL}, input: {{step: un-b}}, needs: a, on_failure: compensate}}",
            "  c: {agent: counting, capability: refuse, needs: b, on_failure: compensate}",
            f"  undo_a: {{{CALL}, input: {{step: undo_a}}, compensates: a}}",
            f"  undo_b: {{{CALL}, input: {{step: undo_b}}, compensates: b}}",
        )
    )
    run = await desks.of["n2"].ended(await desks.of["n1"].begin(source + "\n"))
    assert (run.status, run.error.reason if run.error else "") == ("failed", "AGENT_REFUSED")
    assert {step.id for step in run.steps if step.compensated} == {"a", "b"}
    order = desks.pair.effects.read_text(encoding="utf-8").splitlines()
    assert [line for line in order if line in ("un-a", "un-b", "undo_a", "undo_b")] == [
        "un-a",
        "un-b",
        "undo_b",
        "undo_a",
    ]


async def test_runs_wait_while_postgres_is_away(desks: Desks) -> None:
    """Nothing is lost and nothing is done twice, also where that takes longer than a lease."""
    run_id, here, _ = await desks.held("pga", two("pair-waits", "pg"))
    stopped = desks.pair.postgres()
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        desks.go()
        await soon(lambda: lines(desks.pair.effects)["pga"] == 1)
        await asyncio.sleep(AWAY)
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
    run = await _at_last(here, run_id)
    assert run.status == "completed"
    assert (lines(desks.pair.effects)["pga"], lines(desks.pair.effects)["pgb"]) == (1, 1)


async def _at_last(desk: Desk, run_id: str) -> Run:
    """The end of a run, whatever is said of the stores until they are back."""
    async with asyncio.timeout(60):
        while True:
            with suppress(MeshError):
                return await desk.ended(run_id)
            await asyncio.sleep(0.05)


async def test_a_node_that_drains_hands_its_runs_over(desks: Desks) -> None:
    """The last test: what is at work ends there, what follows is done elsewhere, and nothing twice."""
    run_id, here, there = await desks.held("dra", two("pair-drained", "dr"))
    (executing,) = [name for name, desk in desks.of.items() if desk is here]
    node = desks.pair.nodes[executing]
    node.program.send(signal.SIGTERM)
    desks.go()
    run = await there.ended(run_id)
    assert (run.status, lines(desks.pair.effects)["dra"], lines(desks.pair.effects)["drb"]) == ("completed", 1, 1)
    assert run.steps[1].attempts[-1].node_id != executing
    node.program.ends(None)
