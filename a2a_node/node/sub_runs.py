"""Runs that steps of other runs begin: sub-workflows, recorded in the name of whoever started the first."""

from __future__ import annotations

from dataclasses import replace

from a2a_node.model.run_ports import Runs
from a2a_node.model.runs import Run
from a2a_node.model.workflows import Object
from a2a_node.workflows.news import News
from a2a_node.workflows.starting import Starting, Wanted


class SubRuns:
    """The port `Children` on the record; runs are made as those are that people start."""

    def __init__(self, runs: Runs, starting: Starting, news: News) -> None:
        self._runs, self._starting = runs, starting
        self.ended, self.cancel = news.ended, news.cancel

    async def begin(self, parent: Run, template: str, inputs: Object, key: str) -> str:
        """Record a run of a template's newest version, once for each key; its id. As `Starting.made`."""
        wanted = Wanted(template, inputs=inputs, context=parent.context, key=key)
        made = await self._starting.made(wanted, parent.created_by)
        new = replace(made, authority=parent.authority, parent_run_id=parent.id, trace_id=parent.trace_id)
        return (await self._runs.record(new)).id
