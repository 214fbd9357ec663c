"""What is at hand while a run is walked: its steps, the values of its expressions, its bounds."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from math import inf

from a2a_node.model.errors import InvalidInput
from a2a_node.model.runs import Decision, StepApproval
from a2a_node.model.workflows import MOST_EXPANDED, Template, TemplateStep
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
    expanded: int = 0  # steps, items and steps of sub-workflows so far
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

    def expand(self, step: TemplateStep, count: int) -> None:
        """Count what a step grows to; InvalidInput when the run has too many steps."""
        self.expanded += count
        if self.expanded > MOST_EXPANDED:
            said = f"makes the run grow to {self.expanded:,} steps; the limit is {MOST_EXPANDED:,}"
            raise InvalidInput(f"steps.{step.id}.foreach", said)

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
