"""Runs of workflow templates: what is recorded of each, and what it may be told meanwhile.

A run is one execution of a template's version; its steps are nodes of the template's graph. Times are of the store's
clock. Everything that a step was given and made is JSON, at most 1 MiB each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from a2a_node.model.budget import Amounts
from a2a_node.model.errors import MeshError
from a2a_node.model.workflows import MOST_EXPANDED, Object

MOST_OUTPUT = 1024 * 1024  # bytes of JSON, of an input or output
INLINE = 4 * 1024  # bytes of JSON: what is larger is left out of events and of the steps of a run
MOST_EVENTS = 10_000  # kept of a run; a reader that comes late is told of the gap


class RunLost(Exception):
    """Another executor has the run: what this one still says of it changes nothing."""


class RunRefused(Exception):
    """A run cannot start another one, or go through a list; the text says why, and what to do."""


class RunTooLarge(RunRefused):
    """A run, and those that it was started by and started, would have too many steps."""

    def __init__(self) -> None:
        limit = f"more than {MOST_EXPANDED:,} steps, each item and each step of a run that it starts counted"
        super().__init__(f"makes the run grow to {limit}; give it less, or start several runs")


class RunStatus(StrEnum):
    """How a run stands."""

    PENDING = "pending"  # recorded; as many run as may, or no engine has taken it yet
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"  # for approvals alone
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing follows, but for RetryRun."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class StepStatus(StrEnum):
    """How a step of a run stands."""

    PENDING = "pending"
    RUNNING = "running"  # at work, or between two attempts
    PAUSED = "paused"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def terminal(self) -> bool:
        """Whether nothing follows, but for RetryRun."""
        return self not in (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.PAUSED, StepStatus.WAITING)


class Decision(StrEnum):
    """What somebody said to a step that waits."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class StepAttempt:
    """One try of a step, counted from 1 through all its groups."""

    attempt: int
    started_at: datetime
    node_id: str = ""
    call_id: str = ""
    completed_at: datetime | None = None
    error: MeshError | None = None


@dataclass(frozen=True, slots=True)
class StepItems:
    """How far a step over a list is."""

    total: int
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class StepApproval:
    """What a step asks of people, and what they said."""

    permission: str
    question: str = ""
    requested_at: datetime | None = None
    expires_at: datetime | None = None
    decision: Decision | None = None
    decided_by: str = ""
    comment: str = ""
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of a run as it stands. `input` and `output` are None while there is none, and where `omitted`."""

    id: str
    status: StepStatus = StepStatus.PENDING
    agent: str = ""
    capability: str = ""
    needs: tuple[str, ...] = ()
    input: Object | None = None
    output: object = None
    omitted: bool = False  # input or output are larger than INLINE and not told here
    error: MeshError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempts: Sequence[StepAttempt] = ()  # the newest 20
    attempt_group: int = 1  # one more with each RetryRun; part of the idempotency key of its calls
    items: StepItems | None = None
    approval: StepApproval | None = None
    child_run_id: str = ""
    compensated: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people want of a run, which whoever executes it heeds; each wish has one winner, wherever it was said.

    `group` counts how often it was taken up, from 1, one more for each RetryRun.
    """

    pausing: bool = False
    cancelling: bool = False
    compensating: bool = False  # of a cancelled run: undo what was done
    reason: str = ""  # of the cancelling
    group: int = 1


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change: the sequences of its events, and what people want of the run by then."""

    sequences: Sequence[int]
    wishes: Wishes


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands."""

    id: str
    template: str
    template_version: int
    name: str
    description: str
    status: RunStatus
    created_by: str  # the principal in whose name its steps are called
    created_at: datetime
    expires_at: datetime  # fails then
    inputs: Object = field(default_factory=dict)
    context: Object = field(default_factory=dict)  # `global_context`, which expressions read as `context`
    metadata: Object = field(default_factory=dict)
    budget: Amounts | None = None
    authority: bytes = b""  # what the node that recorded it knew of its caller; only nodes read it
    steps: Sequence[RunStep] = ()  # in the template's order; empty in lists and events
    output: Object | None = None
    error: MeshError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    parent_run_id: str = ""
    trace_id: str = ""
    completed_steps: int = 0
    total_steps: int = 0
    wishes: Wishes = Wishes()


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be recorded; its steps are those of the template. `key` makes it safe to repeat, per `created_by`."""

    id: str
    template: str
    template_version: int
    steps: Sequence[RunStep]
    created_by: str
    timeout: float  # seconds until it fails
    name: str = ""
    description: str = ""
    inputs: Object = field(default_factory=dict)
    context: Object = field(default_factory=dict)
    metadata: Object = field(default_factory=dict)
    budget: Amounts | None = None
    authority: bytes = b""
    key: str = ""
    parent_run_id: str = ""
    trace_id: str = ""
    max_concurrent_runs: int = 0  # of its template; 0 means no bound of its own
    until: datetime | None = None  # it fails then at the latest, whatever its `timeout`
    undoes: bool = False  # what another step did: its steps do not count in what its parent comes to


@dataclass(frozen=True, slots=True)
class StepChange:
    """How a step stands from now on: its status, error and attempts; the last one of a step counts.

    `input` and `output` are kept whole, however large. What is empty or None of these, and of the agent, capability,
    items, approval and child, leaves what is there. The record alone says when a step started and completed, what it
    needs, its group, and what was decided.
    """

    step: RunStep
    progress: object = None  # something that an agent at work said, in place of a change
    items: Mapping[int, object] = field(default_factory=dict)  # of a `foreach`: outputs that are kept from now on


@dataclass(frozen=True, slots=True)
class RunChange:
    """How a run stands from now on; None leaves what is there."""

    status: RunStatus
    output: Object | None = None
    error: MeshError | None = None


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event of a run, numbered from 1 without gaps; exactly one of the last four is said."""

    sequence: int
    at: datetime
    run: Run | None = None
    step: RunStep | None = None
    progress: tuple[str, object] | None = None  # a step's id, and what its agent said
    gap: bool = False  # events up to `sequence` were trimmed


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list; what is empty is not looked at."""

    template: str = ""
    statuses: tuple[RunStatus, ...] = ()
    created_by: str = ""
    parent_run_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many runs stand alike, and for how many seconds the stillest of them has had no event.

    Those that may wait do not count as still: pending ones whose template lets only so many run, and parents of
    children that have not ended.
    """

    runs: int
    still: float


@dataclass(frozen=True, slots=True)
class StepData:
    """What a step was given and made, whole; for a `foreach` by item."""

    input: Object | None = None
    output: object = None
    items: Mapping[int, object] = field(default_factory=dict)
