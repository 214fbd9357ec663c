"""Sub-workflows: their runs are made and bounded as those are that people start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a2a_node.model.errors import InvalidInput, TemplateNotFound
from a2a_node.model.runs import MOST_OUTPUT, Run
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


class House:
    """A record, a library with one template, and a run whose steps begin others."""

    def __init__(self) -> None:
        self.runs, self.library = MemoryRuns(), Library(MemoryTemplates())
        self.starting = Starting(self.library)
        self.children = SubRuns(self.runs, self.starting, News(self.runs))

    async def parent(self) -> Run:
        """A run of somebody."""
        await self.library.put(CHILD, "person:ada")
        made = await self.starting.made(Wanted("child", inputs={"text": "p"}, context={"who": "ada"}), "person:ada")
        return await self.runs.record(replace(made, authority=b"warrant", trace_id="t" * 32))


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
    await house.children.begin(parent, "child", {"text": "c"}, "k2")
    await house.runs.renew("executor", "node", 15.0)
    assert len(await house.runs.claim("executor", 10)) == 2  # of three, the parent among them


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
