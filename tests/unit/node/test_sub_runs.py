"""Sub-workflows: their runs are made and bounded as those are that people start."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from a2a_node.model.errors import InvalidInput, TemplateNotFound
from a2a_node.model.runs import MOST_OUTPUT, Run, RunRefused, RunTooLarge
from a2a_node.model.workflows import MOST_DEEP, MOST_EXPANDED
from a2a_node.node.sub_runs import SubRuns
from a2a_node.testing import MemoryRuns, MemoryTemplates
from a2a_node.workflows.library import Library
from a2a_node.workflows.news import News
from a2a_node.workflows.starting import Starting, Wanted

CHILD = """\
name: child
timeout: 5m
max_concurrent_runs: 2
inputs: {text: {type: string}, more: {type: string, default: "%s"}}
steps:
  a: {agent: talker, capability: talk, foreach: '["x", "y"]'}
""" % ("m" * 1000)
PARENT = CHILD.replace("child", "parent").replace("5m", "1h")


class House:
    """A record, a library with one template, and a run whose steps begin others."""

    def __init__(self) -> None:
        self.runs, self.library = MemoryRuns(), Library(MemoryTemplates())
        self.starting = Starting(self.library)
        self.children = SubRuns(self.runs, self.starting, News(self.runs))

    async def parent(self) -> Run:
        """A run of somebody."""
        for source in (CHILD, PARENT):
            await self.library.put(source, "person:ada")
        made = await self.starting.made(Wanted("parent", inputs={"text": "p"}, context={"who": "ada"}), "person:ada")
        return await self.runs.record(replace(made, authority=b"warrant", trace_id="t" * 32))

    async def below(self, parent: Run, template: str) -> Run:
        """A run of some template that another one started."""
        made = await self.starting.made(Wanted("child", inputs={"text": "b"}), "person:ada")
        return await self.runs.record(replace(made, template=template, parent_run_id=parent.id))


async def test_a_sub_run_goes_on_in_the_name_of_its_parent() -> None:
    """With its context, and by its own template's bounds; once for each key."""
    house = House()
    parent = await house.parent()
    first = await house.children.begin(parent, "child", {"text": "c"}, "k")
    assert await house.children.begin(parent, "child", {"text": "c"}, "k") == first
    run = await house.runs.get(first)
    assert (run.created_by, run.authority, run.parent_run_id) == ("person:ada", b"warrant", parent.id)
    assert (run.inputs, run.context) == ({"text": "c", "more": "m" * 1000}, {"who": "ada"})
    assert (run.expires_at - run.created_at).total_seconds() == 300
    for key in ("k2", "k3"):
        await house.children.begin(parent, "child", {"text": "c"}, key)
    await house.runs.renew("executor", "node", 15.0)
    assert len(await house.runs.claim("executor", 10)) == 3  # the parent, and two of three


async def test_a_sub_run_ends_with_its_parent() -> None:
    """Whatever its template says; whoever asks again for the same hears of the same."""
    house = House()
    parent = await house.parent()
    soon = replace(parent, expires_at=parent.created_at + timedelta(seconds=7))
    first = await house.children.begin(soon, "child", {"text": "c"}, "k")
    assert (await house.runs.get(first)).expires_at == soon.expires_at
    later = replace(parent, expires_at=parent.created_at + timedelta(seconds=8))
    assert await house.children.begin(later, "child", {"text": "c"}, "k") == first


async def test_a_run_is_not_started_by_one_of_its_template() -> None:
    """Nor by one that such a run started: the templates went in a circle while they were put."""
    house = House()
    parent = await house.parent()
    middle = await house.below(await house.below(parent, "child"), "middle")
    with pytest.raises(RunRefused, match="child -> middle -> child"):
        await house.children.begin(middle, "child", {"text": "c"}, "k")
    with pytest.raises(RunRefused, match="parent -> parent"):
        await house.children.begin(parent, "parent", {"text": "c"}, "k")


async def test_runs_start_each_other_so_often_in_a_line() -> None:
    """And no further, whatever their templates say by then."""
    house = House()
    last = await house.parent()
    for number in range(MOST_DEEP - 2):
        last = await house.below(last, f"t{number}")
    assert await house.children.begin(last, "child", {"text": "c"}, "k")
    last = await house.below(last, "last")
    with pytest.raises(RunRefused, match=f"starts run {MOST_DEEP + 1} of a line of runs"):
        await house.children.begin(last, "child", {"text": "c"}, "k")


async def test_what_runs_start_counts_as_theirs() -> None:
    """A template's size is that of all that it says; a run that is too many is not recorded."""
    house = House()
    parent = await house.parent()
    await house.library.put("name: both\nsteps: {a: {workflow: child, input: {text: t}}, b: {agent: x}}", "person:ada")
    assert [await house.children.size(name) for name in ("child", "both")] == [2, 4]
    await house.children.grow(parent, MOST_EXPANDED - 2)
    assert await house.children.begin(parent, "child", {"text": "c"}, "k")
    with pytest.raises(RunTooLarge, match="more than 5,000 steps"):
        await house.children.begin(parent, "child", {"text": "c"}, "k2")
    assert await house.children.begin(parent, "child", {"text": "c"}, "k")


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"text": "x" * (MOST_OUTPUT - 500)}, "as JSON, the limit is"),  # with what the template fills in
        ({"text": 1}, "inputs.text"),
        ({}, "is required"),
        ({"text": "t", "other": 1}, "is no input of this template"),
    ],
)
async def test_a_sub_run_that_nobody_could_start_is_refused(inputs: dict[str, object], problem: str) -> None:
    """It says why, and nothing is recorded."""
    house = House()
    parent = await house.parent()
    with pytest.raises(InvalidInput, match=problem):
        await house.children.begin(parent, "child", inputs, "k")
    with pytest.raises(TemplateNotFound):
        await house.children.begin(parent, "nobody", {}, "k")
