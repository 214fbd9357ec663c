"""What runs of workflows need of the store, said as Protocols; as in `ports`, StoreUnavailable when it is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.runs import (
    Backlog,
    Changed,
    Decision,
    NewRun,
    Run,
    RunChange,
    RunEvent,
    RunFilter,
    RunStatus,
    StepChange,
    StepData,
)

RunPlace: TypeAlias = tuple[datetime, str]  # where a run stands in a list: when it was recorded, and its id


class Runs(Protocol):
    """The record of all runs, which people query and from which an engine goes on. One writer wins each change."""

    async def record(self, new: NewRun) -> Run:
        """Record a run as pending and tell the engines; the run of before when its key was used so already.

        IdempotencyKeyReused when the key was used for something else. The steps of a run that has a parent are counted
        as `grow` does, unless it undoes something; RunTooLarge when these are too many, and nothing is recorded.
        """

    async def grow(self, run_id: str, steps: int) -> None:
        """Count so many more steps of the run that a run was started by in the first place, since that was taken up.

        RunTooLarge when it would have more than MOST_EXPANDED, and nothing is counted.
        """

    async def lineage(self, run_id: str) -> Sequence[str]:
        """The templates of a run, of the one that started it, and so on."""

    async def get(self, run_id: str) -> Run:
        """A run with its steps, without inputs and outputs larger than INLINE. RunNotFound."""

    async def data(self, run_id: str, step_id: str) -> StepData:
        """What a step was given and made, whole. RunNotFound, InvalidInput when it has no such step."""

    async def list(self, wanted: RunFilter, after: RunPlace | None, limit: int) -> Sequence[Run]:
        """Runs that fit, the newest first, after a place; without steps, inputs and outputs."""

    async def pause(self, run_id: str) -> Run:
        """Wish for no more steps; what is paused stays so. RunStateConflict when it has ended."""

    async def resume(self, run_id: str) -> Run:
        """Wish for it to go on; what goes on does. RunStateConflict when it has ended."""

    async def cancel(self, run_id: str, reason: str, *, compensate: bool) -> Run:
        """Wish for its end and its children's; what is cancelled stays so. RunStateConflict when it ended otherwise."""

    async def retry(self, run_id: str, step_id: str, seconds: float | None) -> Run:
        """Take a failed run up again: one group more, its failed and cancelled steps pending; pending itself.

        It may take so many `seconds` from now, or as long as it was given at first.

        An empty `step_id` means all failed steps. RunStateConflict when it has not failed, or the step has not.
        """

    async def decide(self, run_id: str, step_id: str, decision: Decision, by: str, comment: str) -> Run:
        """Say yes or no to a step that waits; StepNotWaiting when it does not, or was told otherwise before."""

    def events(self, run_id: str, after: int) -> AsyncGenerator[RunEvent, None]:
        """Events after a sequence: those that were, then those that come, until the run has ended. RunNotFound.

        Whoever stops before the end closes the generator.
        """

    async def backlog(self) -> Mapping[RunStatus, Backlog]:
        """The runs that have not ended, by status; statuses that none has are left out."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget runs that ended before then, children with their parents; how many were."""


class Execution(Protocol):
    """What an engine does with the record. An executor is one process; its lease says that it lives."""

    async def renew(self, executor: str, node_id: str, lease: float) -> datetime:
        """Let an executor's lease live on for so many seconds by the store's clock, and say what time that says.

        The first time begins it.
        """

    async def release(self, executor: str) -> None:
        """End a lease: its runs are free for others at once."""

    async def claim(
        self, executor: str, limit: int, known: Sequence[str] | None = None, *, fresh: bool = False
    ) -> Sequence[Run]:
        """Take up to `limit` runs that nobody with a live lease executes, the oldest first, with their steps.

        Pending ones, which are running from then on, as far as their templates' `max_concurrent_runs` allows (paused
        and waiting ones count); and those whose executor's lease has ended. Wins each run for one executor only.

        With the ids of all that are `known` to it also what else is its own: claims of which it never heard an answer.
        """

    async def change(
        self, executor: str, run_id: str, steps: Sequence[StepChange], run: RunChange | None = None
    ) -> Changed:
        """Record how steps and the run stand now, all or nothing, as events.

        RunLost when another executor has the run: whoever comes late changes nothing. Saying again what is recorded
        already makes no event. A terminal status frees the run.
        """

    def wanted(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Hear the ids of runs that were recorded, wished for or decided on after the block began, and of more.

        Those are children that ended and their parents, and ended runs that others of their template may wait for. An
        empty one says that some may have been missed: look at all.
        """
