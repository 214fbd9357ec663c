"""What walking a run needs of others, said as Protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import Run, RunChange, StepChange, Wishes
from a2a_node.model.workflows import AgentCall, Object, Template

Said: TypeAlias = Callable[[object], Awaitable[None]]  # hears each output of an agent that streams them


@dataclass(frozen=True, slots=True)
class StepCall:
    """One call that a step makes: of an agent that was chosen, for so many seconds at most."""

    run: Run
    step_id: str
    agent: str
    capability: str
    input: Object
    key: str  # the same for all that must be done once
    call_id: str
    seconds: float


class Caller(Protocol):
    """Calls agents in the name of whoever started a run."""

    @property
    def node_id(self) -> str:
        """The node that calls are made through."""

    async def chosen(self, work: AgentCall) -> tuple[str, str]:
        """The agent and the capability to call; AgentNotFound, CapabilityNotFound or NoInstance when there is none."""

    async def call(self, call: StepCall, said: Said) -> object:
        """The output of a call as JSON, or the last of many, each of which `said` hears; any MeshError."""


class Write(Protocol):
    """Records what became of a run; RunLost, StoreUnavailable."""

    async def __call__(self, run_id: str, steps: Sequence[StepChange], run: RunChange | None) -> Wishes:
        """All or nothing; what people want of the run by then."""


class Children(Protocol):
    """Runs of sub-workflows."""

    async def begin(self, parent: Run, template: str, inputs: Object, key: str, *, undoes: bool = False) -> str:
        """Record a run that ends with its parent, once for each key; its id.

        TemplateNotFound, InvalidInput; RunRefused where it is too large beside its parent, which what undoes something
        never is, or started by itself.
        """

    async def size(self, template: str) -> int:
        """How many steps a run of a template comes to at least. TemplateNotFound, TemplateInvalid."""

    async def grow(self, run: Run, steps: int) -> None:
        """Count so many more steps of a run, once; RunRefused when they are too many beside those of its tree."""

    async def ended(self, run_id: str) -> Run:
        """Wait for its end."""

    async def cancel(self, run_id: str) -> None:
        """Wish for its end, where it has not ended."""


class Reads(Protocol):
    """Reads what is recorded of the steps of runs."""

    async def __call__(self, run_id: str, step_id: str) -> tuple[object, dict[int, object]]:
        """The output of a step, whole, and those of its items."""


class Traces(Protocol):
    """Keeps the spans of runs and steps, where spans are kept."""

    def below(self, run: Run, step_id: str) -> Run:
        """The run, by whose authority what a step begins is below the span of the step."""

    def step_ended(self, run: Run, step_id: str, begun: datetime, ended: datetime, error: MeshError | None) -> None:
        """A step has ended."""

    def run_ended(self, run: Run, begun: datetime, ended: datetime, error: MeshError | None) -> None:
        """A run has ended, or one time that it was taken up again."""


@dataclass(frozen=True, slots=True)
class House:
    """All that walks need, the same for all runs of an engine."""

    caller: Caller
    children: Children
    write: Write
    run: Callable[[str], Awaitable[Run]]  # as the record has it; RunNotFound
    read: Reads
    clock: Callable[[], datetime]
    jitter: Callable[[], float]  # between 0 and 1
    aside: Callable[[Callable[[], object]], Awaitable[object]]  # does what may take a while, beside the loop
    traces: Traces
    turn: Callable[[], Awaitable[None]]  # waits until another call of an agent may begin


@dataclass(frozen=True, slots=True)
class Given:
    """A run that an engine has taken, and its template as it was when the run was recorded."""

    run: Run
    template: Template
