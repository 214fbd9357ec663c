"""Runs that steps of other runs begin: sub-workflows, recorded in the name of whoever started the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a2a_node.model.run_ports import Runs
from a2a_node.model.runs import Run, RunRefused
from a2a_node.model.workflows import MOST_DEEP, Object
from a2a_node.workflows.news import News
from a2a_node.workflows.starting import Starting, Wanted


class SubRuns:
    """The port `Children` on the record; runs are made as those are that people start."""

    def __init__(self, runs: Runs, starting: Starting, news: News) -> None:
        self._runs, self._starting = runs, starting
        self.ended, self.cancel = news.ended, news.cancel

    async def begin(self, parent: Run, template: str, inputs: Object, key: str, *, undoes: bool = False) -> str:
        """Record a run of a template's newest version, once for each key; its id. As `Starting.made`, and RunRefused.

        It ends with its parent at the latest.
        """
        check_line([*reversed(await self._runs.lineage(parent.id)), template])
        wanted = Wanted(template, inputs=inputs, context=parent.context, key=key)
        made = await self._starting.made(wanted, parent.created_by)
        below = replace(made, authority=parent.authority, parent_run_id=parent.id, trace_id=parent.trace_id)
        return (await self._runs.record(replace(below, until=parent.expires_at, undoes=undoes))).id

    async def size(self, template: str) -> int:
        """How many steps a run of a template's newest version comes to at least."""
        return await self._starting.size(template)

    async def grow(self, run: Run, steps: int) -> None:
        """Count so many more steps of a run and of those that it was started by."""
        await self._runs.grow(run.id, steps)


def check_line(templates: Sequence[str]) -> None:
    """RunRefused for a run whose template is among those that it is started by, or that is started by too many."""
    *before, last = templates
    if last in before:
        circle = " -> ".join(templates[before.index(last) :])
        raise RunRefused(f"starts a run that was started by one of the same template, {circle}: take one out")
    if len(templates) > MOST_DEEP:
        said = f"starts run {len(templates)} of a line of runs, each started by the one before"
        raise RunRefused(f"{said}; the limit is {MOST_DEEP}: have fewer templates run others")
