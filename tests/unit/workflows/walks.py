"""A record, agents and an engine in memory, for tests of walks; `Crash` ends an engine wherever a test wants it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import (
    Decision,
    Run,
    RunChange,
    RunStatus,
    RunStep,
    StepApproval,
    StepChange,
    StepStatus,
    Wishes,
)
from a2a_node.model.workflows import AgentCall, Approval, Object, Template
from a2a_node.workflows.walk import Walk
from a2a_node.workflows.walk_ports import Given, House, Said, StepCall
from tests.unit.virtual import in_no_time
from tests.unit.workflows.samples import read

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """The engine's process is gone."""


def clock() -> datetime:
    """The time of the loop, which tests let jump."""
    return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass
class Paper:
    """The record of one run."""

    run: Run
    steps: dict[str, RunStep]
    outputs: dict[str, object] = field(default_factory=dict)
    items: dict[str, dict[int, object]] = field(default_factory=dict)
    told: list[StepChange | RunChange] = field(default_factory=list)
    crash_at: int = -1  # the transaction that is the last
    after: bool = False  # it was written, and the engine did not hear of it
    writes: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, run_id: str, steps: Sequence[StepChange], run: RunChange | None) -> Wishes:
        """Record, or crash before or after."""
        assert run_id == self.run.id
        self.writes += 1
        crash = self.writes == self.crash_at
        if crash and not self.after:
            raise Crash
        await asyncio.sleep(0.001)
        for change in steps:
            self._step(change)
        if run is not None:
            self.told.append(run)
            self.run = replace(self.run, status=run.status, output=run.output, error=run.error or self.run.error)
        self.heard.set()
        if crash:
            raise Crash
        return self.run.wishes

    def _step(self, change: StepChange) -> None:
        self.told.append(change)
        if change.progress is None:
            known = self.steps[change.step.id]
            self.steps[change.step.id] = replace(change.step, input=change.step.input or known.input, output=None)
            if change.step.output is not None:
                self.outputs[change.step.id] = change.step.output
        self.items.setdefault(change.step.id, {}).update(change.items)

    async def read(self, run_id: str, step_id: str) -> tuple[object, dict[int, object]]:
        """What is kept of a step."""
        assert run_id == self.run.id
        return self.outputs.get(step_id), dict(self.items.get(step_id, {}))

    async def look(self, run_id: str) -> Run:
        """Read it."""
        assert run_id == self.run.id
        return self.now()

    def now(self) -> Run:
        """The run as it stands."""
        return replace(self.run, steps=tuple(self.steps.values()))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the record says so."""
        async with asyncio.timeout(1000):
            while not holds():
                self.heard.clear()
                await self.heard.wait()

    def statuses(self) -> dict[str, str]:
        """How each step stands."""
        return {name: str(step.status) for name, step in self.steps.items()}

    def wish(self, wishes: Wishes) -> None:
        """Somebody wants something of the run."""
        self.run = replace(self.run, wishes=wishes)

    def decide(self, step_id: str, decision: Decision) -> None:
        """Somebody decides on a step."""
        step = self.steps[step_id]
        approval = replace(step.approval or StepApproval(""), decision=decision, decided_by="person:ada")
        self.steps[step_id] = replace(step, approval=approval)

    def retried(self) -> None:
        """As RetryRun does."""
        group = self.run.wishes.group + 1
        self.run = replace(self.run, status=RunStatus.PENDING, error=None, wishes=Wishes(group=group))
        for name, step in self.steps.items():
            if step.status in (StepStatus.FAILED, StepStatus.CANCELLED):
                fresh = replace(step, status=StepStatus.PENDING, attempt_group=group, error=None)
                self.steps[name] = replace(fresh, started_at=None, completed_at=None)


Turn = Callable[[], Awaitable[None]]
Behaviour = Callable[[Object, Said], Awaitable[object]]


@dataclass
class Agents:
    """Agents by name, and the mesh's promise that a key is worked for once."""

    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    node_id: str = "n1"
    calls: list[StepCall] = field(default_factory=list)
    worked: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, object] = field(default_factory=dict)

    async def chosen(self, work: AgentCall) -> tuple[str, str]:
        """Whom the template names."""
        return work.agent or "any", work.capability or "work"

    async def call(self, call: StepCall, said: Said) -> object:
        """What the agent makes, once for each key."""
        self.calls.append(call)
        if call.key not in self.outcomes:
            behaviour = self.behaviours.get(call.agent, echoed)
            try:
                self.outcomes[call.key] = await behaviour(call.input, said)
            except MeshError as error:
                if not error.retryable and error.code not in ("CANCELLED", "DEADLINE_EXCEEDED"):
                    self.outcomes[call.key] = error
                raise
            self.worked[call.step_id] += 1
        kept = self.outcomes[call.key]
        if isinstance(kept, MeshError):
            raise kept
        return kept

    @property
    def order(self) -> list[str]:
        """The steps that were called, in order."""
        return [call.step_id for call in self.calls]


async def echoed(given: Object, _: Said) -> object:
    """What it was given, a moment later."""
    await asyncio.sleep(0.01)
    return dict(given)


class NoChildren:
    """Runs of sub-workflows, where there are none."""

    async def begin(self, parent: Run, template: str, inputs: Object, key: str, *, undoes: bool = False) -> str:
        """None begins."""
        raise AssertionError(template, parent, inputs, key, undoes)

    async def size(self, template: str) -> int:
        """None has steps."""
        raise AssertionError(template)

    async def grow(self, run: Run, steps: int) -> None:
        """None grows."""
        raise AssertionError(run, steps)

    async def ended(self, run_id: str) -> Run:
        """None ends."""
        raise AssertionError(run_id)

    async def cancel(self, run_id: str) -> None:
        """None is cancelled."""
        raise AssertionError(run_id)


class Untraced:
    """Where no spans are kept."""

    def below(self, run: Run, _: str) -> Run:
        """The run itself."""
        return run

    def step_ended(self, *_: object) -> None:
        """Nothing is kept."""

    def run_ended(self, *_: object) -> None:
        """Nothing is kept."""


def paper(source: str, inputs: Object | None = None, seconds: float = 3600.0) -> tuple[Paper, Template]:
    """The record of a new run of a template."""
    template = read(source)
    steps = {step.id: _fresh(step.id, step.work) for step in template.steps}
    run = Run(
        "r1",
        template.name,
        1,
        template.name,
        "",
        RunStatus.PENDING,
        "person:ada",
        BEGIN,
        BEGIN + timedelta(seconds=seconds),
        inputs or {},
        {"who": "ada"},
    )
    return Paper(run, steps), template


def _fresh(name: str, work: object) -> RunStep:
    approval = StepApproval(work.permission, work.question) if isinstance(work, Approval) else None
    return RunStep(name, approval=approval)


async def inline(work: Callable[[], object]) -> object:
    """Do it here: threads know nothing of a clock that jumps."""
    return work()


async def at_once() -> None:
    """The turn of a step that need not wait for it."""


def walk(kept: Paper, template: Template, agents: Agents, children: object = None, turn: Turn = at_once) -> Walk:
    """A walk of the run as it is recorded now."""
    house = House(
        agents,
        children or NoChildren(),  # type: ignore[arg-type]
        kept.write,
        kept.look,
        kept.read,
        clock,
        lambda: 0.0,
        inline,
        Untraced(),
        turn,
    )
    return Walk(Given(kept.now(), template), house)


async def walked(kept: Paper, template: Template, agents: Agents | None = None) -> str:
    """How a run ends that nobody disturbs."""
    return await walk(kept, template, agents or Agents()).go()


def failing(*failures: MeshError) -> Behaviour:
    """An agent that fails so, call by call, and works afterwards."""
    left = list(failures)

    async def behaviour(given: Object, said: Said) -> object:
        if left:
            raise left.pop(0)
        return await echoed(given, said)

    return behaviour


async def slow(given: Object, _: Said) -> object:
    """A second of work."""
    await asyncio.sleep(1)
    return dict(given)


def ended(source: str, agents: Agents | None = None, **inputs: object) -> tuple[Paper, Agents]:
    """The record of a run that nobody disturbs."""
    agents = agents or Agents()

    async def scenario() -> Paper:
        kept, template = paper(source, inputs)
        await walked(kept, template, agents)
        return kept

    return in_no_time(scenario()), agents
