"""What executors do with the record of runs in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from a2a_node.model.errors import DeadlineExceeded, StoreUnavailable
from a2a_node.model.runs import Changed, Run, RunChange, RunLost, RunStatus, RunStep, StepChange, StepStatus
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence
from a2a_node.testing.run_record import Kept, is_open, shown_step


class MemoryExecution(Presence):
    """The port `Execution`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("postgres")
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._leases: dict[str, datetime] = {}
        self._listeners: set[_Heard] = set()

    def lose(self) -> None:
        """Postgres goes away: every method raises StoreUnavailable, and whoever listens is cut off."""
        super().lose()
        for listener in self._listeners:
            listener.hear(None)

    async def renew(self, executor: str, node_id: str, lease: float) -> datetime:  # noqa: ARG002 - of the port
        """Let a lease live on."""
        now = self._now()
        self._leases[executor] = now + timedelta(seconds=lease)
        return now

    async def release(self, executor: str) -> None:
        """End a lease."""
        self._now()
        if self._leases.pop(executor, None):
            self._notify("")

    async def claim(
        self, executor: str, limit: int, known: Sequence[str] | None = None, *, fresh: bool = False
    ) -> Sequence[Run]:
        """Take runs; what nobody took in time fails instead."""
        now = self._now()
        for kept in self._kept.values():
            if is_open(kept) and kept.run.expires_at <= now:
                self._fail(kept)
        claimed: list[Run] = []
        for kept in sorted(self._kept.values(), key=lambda kept: kept.run.created_at):
            unheard = known is not None and kept.taken and kept.executor == executor and kept.run.id not in known
            wanted = not (fresh and kept.taken) and (unheard or self._is_free(kept, now))
            if len(claimed) < limit and wanted:
                self._take(kept, executor, now)
                claimed.append(replace(kept.run, steps=tuple(shown_step(step) for step in kept.run.steps)))
        return claimed

    async def change(
        self, executor: str, run_id: str, steps: Sequence[StepChange], run: RunChange | None = None
    ) -> Changed:
        """Record how steps and the run stand."""
        self._now()
        kept = self._kept.get(run_id)
        if kept is None or kept.executor != executor:
            raise RunLost(run_id)
        if not kept.taken:
            if run is None or run.status is kept.run.status:
                return Changed((), kept.run.wishes)
            raise RunLost(run_id)
        before = kept.sequence
        kept.take_in(list(steps), run)
        if kept.run.status.terminal and (kept.run.parent_run_id or kept.new.max_concurrent_runs):
            self._notify(run_id)
        if kept.run.status.terminal and kept.run.parent_run_id:
            self._notify(kept.run.parent_run_id)
        return Changed(range(before + 1, kept.sequence + 1), kept.run.wishes)

    @asynccontextmanager
    async def wanted(self) -> AsyncIterator[AsyncIterator[str]]:
        """Hear of runs that somebody should look at."""
        self._now()
        listener = _Heard()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _now(self) -> datetime:
        self.check()
        return self._clock()

    def _notify(self, run_id: str) -> None:
        for listener in self._listeners:
            listener.hear(run_id)

    def _is_free(self, kept: Kept, now: datetime) -> bool:
        if kept.taken:
            return self._leases.get(kept.executor, now) <= now
        most = kept.new.max_concurrent_runs
        busy = Counter(one.run.template for one in self._kept.values() if one.taken)
        return kept.run.status is RunStatus.PENDING and (not most or busy[kept.run.template] < most)

    def _take(self, kept: Kept, executor: str, now: datetime) -> None:
        kept.executor, kept.taken = executor, True
        kept.stand(started_at=kept.run.started_at or now)
        if kept.run.status is RunStatus.PENDING:
            kept.stand(status=RunStatus.RUNNING)
            kept.tell()

    def _fail(self, kept: Kept) -> None:
        given = (kept.run.expires_at - kept.run.created_at).total_seconds()
        over = [StepChange(RunStep(one.id, StepStatus.CANCELLED)) for one in kept.run.steps if not one.status.terminal]
        kept.take_in(over, RunChange(RunStatus.FAILED, error=DeadlineExceeded(given)))


class _Heard:
    """An iterator of ids; None ends it with StoreUnavailable."""

    def __init__(self) -> None:
        self._ids: dict[str | None, None] = {}
        self._news = asyncio.Event()

    def hear(self, run_id: str | None) -> None:
        """Take in an id."""
        self._ids[run_id] = None
        self._news.set()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        await self._news.wait()
        run_id = next(iter(self._ids))
        if run_id is None:
            raise StoreUnavailable("postgres")
        del self._ids[run_id]
        if not self._ids:
            self._news.clear()
        return run_id
