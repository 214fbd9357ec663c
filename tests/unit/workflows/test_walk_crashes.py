"""Walks of random graphs whose engines end anywhere: others go on, and everything is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from a2a_node.model.errors import AgentLost, AgentRefused
from a2a_node.model.runs import RunStatus, RunStep
from a2a_node.model.workflows import Object, Template
from a2a_node.workflows.walk_ports import Said, StepCall
from tests.unit.virtual import in_no_time
from tests.unit.workflows.samples import of_steps
from tests.unit.workflows.test_checking import acyclic
from tests.unit.workflows.walks import Agents, Crash, Paper, failing, paper, walk


def source_of(edges: dict[str, list[str]], lists: set[str]) -> str:
    """A template of these steps, some of which go through a list."""
    return of_steps(
        "\n".join(
            f"{name}: {{agent: x, needs: [{', '.join(needs)}], retry: {{attempts: 20, backoff: 1s}}"
            + (", foreach: '[1, 2, 3]'}" if name in lists else "}")
            for name, needs in edges.items()
        )
    )


async def to_the_end(kept: Paper, template: Template, agents: Agents, crashes: list[tuple[int, bool]]) -> int:
    """Walk with one engine after the other; how many were needed."""
    for engine, (at, after) in enumerate(crashes, 1):
        kept.crash_at, kept.after = kept.writes + at, after
        try:
            await walk(kept, template, agents).go()
        except Crash:
            continue
        return engine
    kept.crash_at = -1
    assert await walk(kept, template, agents).go() == "completed"
    return len(crashes) + 1


@settings(max_examples=60, deadline=None)
@given(acyclic(), st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=5), st.integers(0, 3), st.integers())
def test_every_step_is_done_once_wherever_engines_end(
    edges: dict[str, list[str]], crashes: list[tuple[int, bool]], failures: int, seed: int
) -> None:
    """After all that it needs is on record; what is completed there is not called again."""
    random = Random(seed)  # noqa: S311 - no secret
    lists = {name for name in edges if random.random() < 0.3}

    async def scenario() -> None:
        inner = failing(*[AgentLost("x", "i")] * failures)

        async def behaviour(given: Object, said: Said) -> object:
            await asyncio.sleep(random.random() / 10)
            return await inner(given, said)

        agents = Watched({"x": behaviour})
        kept, template = paper(source_of(edges, lists))
        agents.steps = kept.steps
        agents.needs = edges
        await to_the_end(kept, template, agents, crashes)
        assert kept.run.status is RunStatus.COMPLETED
        assert agents.worked == {name: 3 if name in lists else 1 for name in edges}

    in_no_time(scenario())


class Watched(Agents):
    """Agents that see to it that they are called when their turn is."""

    steps: Mapping[str, RunStep]
    needs: Mapping[str, list[str]]

    async def call(self, call: StepCall, said: Said) -> object:
        """As others do."""
        assert self.steps[call.step_id].status != "completed"
        assert all(self.steps[need].status == "completed" for need in self.needs[call.step_id])
        return await super().call(call, said)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=6))
def test_what_was_done_is_undone_once_wherever_engines_end(crashes: list[tuple[int, bool]]) -> None:
    """Last first."""
    source = of_steps(
        "a: {agent: x}\nb: {agent: x, needs: a}\nc: {agent: bad, needs: b, on_failure: compensate}\n"
        "ua: {agent: x, compensates: a}\nub: {agent: x, compensates: b}"
    )

    async def bad(_given: Object, _said: Said) -> object:
        raise AgentRefused("no")

    async def scenario() -> None:
        kept, template = paper(source)
        agents = Agents({"bad": bad})
        for at, after in [*crashes, (-kept.writes - 1, False)]:
            kept.crash_at, kept.after = (kept.writes + at if at > 0 else -1), after
            try:
                await walk(kept, template, agents).go()
            except Crash:
                continue
            break
        assert kept.run.status is RunStatus.FAILED
        assert agents.worked == {"a": 1, "b": 1, "ua": 1, "ub": 1}
        first = {name: agents.order.index(name) for name in agents.worked}
        assert sorted(first, key=lambda name: first[name]) == ["a", "b", "ub", "ua"]
        assert kept.steps["a"].compensated
        assert kept.steps["b"].compensated

    in_no_time(scenario())
