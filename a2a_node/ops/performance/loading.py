"""Load: calls at a fixed rate, whatever becomes of them, or as many at a time as were asked for; and what they took."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.model.errors import MeshError
from a2a_node.ops.performance.significance import Sample

MOST_KEPT = 2_000  # times that are told
MOST_AHEAD = 256  # calls under way at a fixed rate; what would be more is skipped, and counted
OUTCOMES = 50  # reasons that are told
Shot = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to load: `rate` calls a second, or with 0 always `concurrency` calls; the warm-up does not count.

    With fewer than `least` calls after `seconds` it goes on until there are so many, for `patience` seconds at most.
    """

    seconds: float
    rate: float = 0.0
    concurrency: int = 4
    warmup: float = 0.0
    least: int = 0
    patience: float = 0.0


class Measured(BaseModel):
    """What the load has measured; times in milliseconds, at a fixed rate counted from when a call was due."""

    sample: Annotated[Sample, Field(description="For comparisons; of very many calls every so manieth.")]
    p50: float
    p90: float
    p99: float
    longest: float
    per_second: Annotated[float, Field(description="Calls that succeeded.")]
    errors: Annotated[dict[str, int], Field(description="Calls that failed, by reason.")]
    skipped: Annotated[int, Field(description="Calls that were due while too many were under way.")] = 0


@dataclass(slots=True)
class _Tally:
    counted_from: float
    until: float
    at_most_until: float
    least: int
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    skipped: int = 0

    def wants(self, now: float) -> bool:
        """Whether another call is to begin then."""
        short = len(self.seconds) + self.errors.total() < self.least
        return now < (self.at_most_until if short else self.until)


async def driven(plan: Plan, shot: Shot) -> Measured:
    """Load for as long as the plan says, and wait for what is under way; any error that is no MeshError ends it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    start = begun + plan.warmup
    tally = _Tally(start, start + plan.seconds, start + plan.seconds + plan.patience, plan.least)
    async with asyncio.TaskGroup() as group:
        if plan.rate:
            await _at_a_rate(plan.rate, lambda due: group.create_task(_shoot(shot, tally, due)), tally)
        else:
            for _ in range(plan.concurrency):
                group.create_task(_one_after_another(shot, tally))
    return measured(tally.seconds, tally.errors, tally.skipped, max(plan.seconds, loop.time() - start))


def measured(seconds: Sequence[float], errors: Counter[str], skipped: int, span: float) -> Measured:
    """The figures of calls that took so many seconds, in the order of their ends, beside those that failed."""
    times = [round(1000 * one, 4) for one in seconds]
    order = sorted(times)
    step = ceil(len(times) / MOST_KEPT) or 1
    return Measured(
        sample=Sample(milliseconds=times[::step], calls=len(times) + errors.total(), failed=errors.total()),
        p50=percentile(order, 0.5),
        p90=percentile(order, 0.9),
        p99=percentile(order, 0.99),
        longest=order[-1] if order else 0.0,
        per_second=round(len(times) / span, 2),
        errors=dict(errors.most_common(OUTCOMES)),
        skipped=skipped,
    )


def percentile(order: Sequence[float], share: float) -> float:
    """The value below which a share of sorted values lies, one of them; 0 for none."""
    return order[min(len(order) - 1, ceil(share * len(order)) - 1 if share else 0)] if order else 0.0


async def _at_a_rate(rate: float, begin: Callable[[float], asyncio.Task[None]], tally: _Tally) -> None:
    """Begin a call whenever one is due: a slow agent is not asked less often, as one that is waited for would be."""
    loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    first, number = loop.time(), 0
    while tally.wants(due := first + number / rate):
        await asyncio.sleep(max(0.0, due - loop.time()))
        number += 1
        if len(running) >= MOST_AHEAD:
            tally.skipped += 1
            continue
        task = begin(due)
        running.add(task)
        task.add_done_callback(running.discard)


async def _one_after_another(shot: Shot, tally: _Tally) -> None:
    loop = asyncio.get_running_loop()
    while tally.wants(loop.time()):
        await _shoot(shot, tally, loop.time())
        await asyncio.sleep(0)  # calls that never wait must not keep everybody else from their turn


async def _shoot(shot: Shot, tally: _Tally, due: float) -> None:
    loop, reason = asyncio.get_running_loop(), ""
    try:
        await shot()
    except MeshError as error:
        reason = error.reason
    now = loop.time()
    if now < tally.counted_from:
        return
    if reason:
        tally.errors[reason] += 1
    else:
        tally.seconds.append(now - due)
