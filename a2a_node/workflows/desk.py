"""What is at hand while a run is walked: its steps, the values of its expressions, its bounds."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from math import inf

from a2a_node.model.errors import InvalidInput, TemplateInvalid, TemplateNotFound
from a2a_node.model.runs import Decision, RunRefused, RunStep, StepApproval
from a2a_node.model.workflows import MOST_EXPANDED, SubWorkflow, Template, TemplateStep
from a2a_node.workflows.reading import patiently
from a2a_node.workflows.scope import Scope
from a2a_node.workflows.stand import Stand
from a2a_node.workflows.walk_ports import House

MOST_AT_WORK = 64  # calls of one run at once
UNDOING = 300.0  # seconds at least for each step that undoes another, whatever the run has left


@dataclass(slots=True)
class Desk:
    """All that the steps of one run share."""

    house: House
    template: Template
    stand: Stand
    scope: Scope
    until: float  # by the loop's clock
    expanded: int = 0  # steps, items and what steps of sub-workflows come to at least, as far as this engine knows
    leaving: bool = False  # another engine will go on
    calling: Counter[str] = field(default_factory=Counter)  # calls under way, by step
    news: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_WORK))

    def seconds(self, step: TemplateStep) -> float:
        """How long an attempt of a step may take; the run's own end comes from elsewhere."""
        return min(step.timeout or inf, max(self.left(), UNDOING) if step.compensates else inf)

    def left(self) -> float:
        """Seconds that the run has left."""
        return self.until - asyncio.get_running_loop().time()

    def ends(self, step: TemplateStep) -> datetime:
        """When all ends that a step begins: with the run, but for what undoes another step."""
        if not step.compensates:
            return self.stand.run.expires_at
        return self.stand.clock() + timedelta(seconds=max(self.left(), UNDOING))

    async def expand(self, step: TemplateStep, count: int) -> None:
        """Count what a step grows to, so many times its work; InvalidInput when the run has too many steps.

        Of a sub-workflow each time has as many steps as its template says. Where runs start others the record counts
        too, for all of them together, what has begun. What undoes another step is never too much.
        """
        if step.compensates:
            return
        size = await self._size(step)
        more = items_beyond(self.stand[step.id], count)
        self.expanded += more + count * size
        if self.expanded > MOST_EXPANDED:
            said = f"makes the run grow to {self.expanded:,} steps; the limit is {MOST_EXPANDED:,}"
            raise refused(step, f"{said}: give it less, or start several runs")
        if more and (self.stand.run.parent_run_id or self.starts_runs):
            try:
                await patiently(partial(self.house.children.grow, self.stand.run, more))
            except RunRefused as refusal:
                raise refused(step, str(refusal)) from None

    async def _size(self, step: TemplateStep) -> int:
        """How many steps a run has that the step starts; none that is known where it starts none, or cannot."""
        if not isinstance(step.work, SubWorkflow):
            return 0
        try:
            return await patiently(partial(self.house.children.size, step.work.template))
        except (TemplateNotFound, TemplateInvalid):
            return 0  # whoever starts it says so

    @property
    def starts_runs(self) -> bool:
        """Whether steps of the run start others."""
        return any(isinstance(step.work, SubWorkflow) for step in self.template.steps)

    async def decided(self, step_id: str) -> StepApproval:
        """Wait until somebody has said yes or no."""
        async with self.heard:
            while True:
                approval = self.stand[step_id].approval
                if approval is not None and isinstance(approval.decision, Decision):
                    return approval
                await self.heard.wait()

    async def tell(self) -> None:
        """Have those look again who wait for what people say."""
        async with self.heard:
            self.heard.notify_all()
        self.news.set()


def items_beyond(step: RunStep, count: int) -> int:
    """How many of so many items were not counted yet: the step itself was, and those that the record knows of."""
    return max(count - max(1, step.items.total if step.items else 1), 0)


def refused(step: TemplateStep, said: str) -> InvalidInput:
    """What a step hears that makes its run too large."""
    return InvalidInput(f"steps.{step.id}.{'foreach' if step.foreach else 'workflow'}", said)
