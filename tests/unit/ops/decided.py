"""Runs of the built-in templates with their real agents, in whose middle somebody decides."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from a2a_node.agent import Agent
from a2a_node.model.runs import Decision, StepStatus
from a2a_node.model.workflows import Object
from a2a_node.workflows.shelf import built_in
from tests.unit.ops.walked import ALWAYS, Working
from tests.unit.workflows.walks import Behaviour, Paper, paper, walk


async def decided(
    name: str,
    agents: Mapping[str, Agent],
    inputs: Object,
    decision: Decision,
    others: Mapping[str, Behaviour] | None = None,
) -> Paper:
    """The record of a run to its end, in which the step `approve` was decided on; `others` only behave like agents."""
    source = built_in()[name]
    _, template = paper(source)
    defaults = {each.name: each.default for each in template.inputs if not each.required}
    kept, template = paper(source, {**defaults, **inputs}, ALWAYS)
    walking = walk(kept, template, Working(others or {}, agents=agents))
    going = asyncio.create_task(walking.go())
    waiting = asyncio.create_task(kept.until(lambda: kept.steps["approve"].status is StepStatus.WAITING))
    await asyncio.wait((going, waiting), return_when=asyncio.FIRST_COMPLETED)
    if waiting.done():
        kept.decide("approve", decision)
        await walking.look()
    waiting.cancel()
    await going
    return kept
