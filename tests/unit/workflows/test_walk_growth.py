"""Walks of runs that start others, or go through lists: how far they grow, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from a2a_node.model.errors import AgentRefused, InvalidInput, TemplateNotFound
from a2a_node.model.runs import Run, RunStatus, RunTooLarge, StepItems, StepStatus
from a2a_node.model.workflows import Object
from a2a_node.workflows.walk_ports import Said
from tests.unit.virtual import in_no_time
from tests.unit.workflows.samples import of_steps
from tests.unit.workflows.walks import Agents, Behaviour, Paper, clock, failing, paper, walk

LIST = "l: {agent: lists}\n"


@dataclass
class Children:
    """Runs of one template that come to so many steps, and complete at once while there is room."""

    steps: int = 3
    room: int = 10**6
    begun: list[tuple[str, datetime]] = field(default_factory=list)

    async def size(self, template: str) -> int:
        """As it says."""
        if template == "absent":
            raise TemplateNotFound(template)
        return self.steps

    async def grow(self, _: Run, steps: int) -> None:
        """As long as there is room."""
        if steps > self.room:
            raise RunTooLarge
        self.room -= steps

    async def begin(self, parent: Run, template: str, _: Object, key: str, *, undoes: bool = False) -> str:
        """Once for each key."""
        await self.size(template)
        if not undoes:
            await self.grow(parent, self.steps)
        self.begun.append((key, parent.expires_at))
        return key

    async def ended(self, run_id: str) -> Run:
        """It has."""
        return Run(run_id, "child", 1, "child", "", RunStatus.COMPLETED, "person:ada", clock(), clock())


async def lists(_given: Object, _said: Said) -> object:
    """Many."""
    return list(range(1000))


def walked_with(children: Children, steps: str, seconds: float = 3600.0, **agents: Behaviour) -> Paper:
    """The record of a run beside such children."""

    async def scenario() -> Paper:
        kept, template = paper(of_steps(steps), seconds=seconds)
        await walk(kept, template, Agents({"lists": lists, **agents}), children).go()
        return kept

    return in_no_time(scenario())


def fault(kept: Paper, step: str) -> InvalidInput:
    """Why a step failed."""
    error = kept.steps[step].error
    assert isinstance(error, InvalidInput)
    return error


@pytest.mark.parametrize(
    ("steps", "size", "field"),
    [
        pytest.param("a: {workflow: child, foreach: steps.l.output, needs: l}", 5, "foreach", id="each-item"),
        pytest.param("a: {workflow: child, needs: l}", 5000, "workflow", id="one-step"),
    ],
)
def test_what_would_grow_too_large_begins_nothing(steps: str, size: int, field: str) -> None:
    """As far as templates say how many steps their runs have; the step's failure says what to do."""
    children = Children(size)
    error = fault(walked_with(children, LIST + steps), "a")
    assert (error.reason, error.variables["field"], children.begun) == ("INVALID_INPUT", f"steps.a.{field}", [])
    assert "the limit is 5,000: give it less, or start several runs" in error.message


def test_what_has_room_is_begun() -> None:
    """Each item by a run of its own."""
    children = Children(3)
    kept = walked_with(children, LIST + "a: {workflow: child, foreach: steps.l.output, needs: l}")
    assert (kept.statuses(), len(children.begun)) == ({"l": "completed", "a": "completed"}, 1000)


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ("a: {workflow: child, needs: l}", "workflow"),
        ("a: {agent: x, foreach: steps.l.output, needs: l}\nb: {workflow: child, needs: a}", "foreach"),
    ],
    ids=["a-run", "a-list"],
)
def test_what_other_runs_of_the_tree_have_left_counts(steps: str, field: str) -> None:
    """The record says that there is too little room, for another run or for the items of a list."""
    kept = walked_with(children := Children(room=2), LIST + steps)
    error = fault(kept, "a")
    assert (error.variables["field"], children.begun) == (f"steps.a.{field}", [])
    assert "more than 5,000 steps" in error.message


def test_a_run_that_was_taken_over_goes_on_counting() -> None:
    """What an engine before did counts; and a list that was counted is not counted again."""

    async def scenario(done: int) -> str:
        steps = "\n".join(f"s{at}: {{agent: lists}}\na{at}: {{agent: x, foreach: steps.s{at}.output, needs: s{at}}}"
                          for at in range(5))  # fmt: skip
        kept, template = paper(of_steps(steps))
        for at in range(5):
            kept.steps[f"s{at}"] = replace(kept.steps[f"s{at}"], status=StepStatus.COMPLETED)
            kept.outputs[f"s{at}"] = list(range(990))
            status = StepStatus.RUNNING if at == 4 else StepStatus.COMPLETED
            total = 990 if at == 4 else done
            kept.steps[f"a{at}"] = replace(kept.steps[f"a{at}"], status=status, items=StepItems(total))
        return await walk(kept, template, Agents()).go()

    assert [in_no_time(scenario(done)) for done in (1000, 1005)] == ["completed", "failed"]


def test_who_starts_what_there_is_not_says_so() -> None:
    """By its own reason."""
    kept = walked_with(Children(), "a: {workflow: absent}")
    assert isinstance(kept.steps["a"].error, TemplateNotFound)


def test_a_run_ends_with_the_one_that_started_it() -> None:
    """One that undoes something has its time beyond that, and is never too much."""
    children = Children(3, room=3)
    steps = "a: {workflow: child}\nb: {agent: bad, needs: a, on_failure: compensate}\n"
    undoing = "u: {workflow: child, compensates: a}"
    kept = walked_with(children, steps + undoing, 60.0, bad=failing(AgentRefused("no")))
    (_, until), (_, later) = children.begun
    assert until == kept.run.expires_at
    assert later - until > timedelta(seconds=200)
