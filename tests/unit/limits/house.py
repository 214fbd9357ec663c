"""Several limiters over one store in memory, on a time that tests move; and the promise, as a number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count

from a2a_node.limits.limiter import BEAT, PROBE, Limiter
from a2a_node.model.errors import RateLimited
from a2a_node.model.limits import Ask, Given, LimitKey, Memory, Rate
from a2a_node.testing import MemoryBuckets

KEY = LimitKey("person:ann", "echo", "say")
BEGIN = 1000.0
TURNS = 20  # of the loop, in which whoever has something to do at this moment does it


class Asked(MemoryBuckets):
    """Buckets that know when they were asked for tokens."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.moments: list[float] = []
        self.travel: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)  # others go on meanwhile

    async def lease(self, holder: str, known: int, mark: int, asked: tuple[str, Ask]) -> tuple[Memory, Given]:
        """Ask for tokens of a bucket, on a way to the store and back."""
        self.moments.append(self._clock())
        await self.travel()
        answer = await super().lease(holder, known, mark, asked)
        await self.travel()
        return answer


class Mesh:
    """Limiters by number, each with a clock of its own that runs a little fast or slow."""

    def __init__(self, rate: Rate, drifts: Sequence[float] = (1.0,)) -> None:
        self.rate = rate
        self.now = BEGIN
        self.admitted: list[float] = []
        self.store = Asked(lambda: self.now)
        self._drifts = drifts
        self._names = count()
        self._sleepers: list[float] = []  # when each wakes
        self._beats = [0.0] * len(drifts)
        self.nodes = [self._node(number) for number in range(len(drifts))]

    async def begin(self) -> None:
        """All of them meet the store."""
        for node in self.nodes:
            await node.begin()

    async def call(self, number: int = 0, cost: int = 1) -> RateLimited | None:
        """One call at that node; the refusal, None when it was admitted."""
        try:
            await self.nodes[number].take(KEY, self.rate, cost)
        except RateLimited as refusal:
            return refusal
        self.admitted += [self.now] * cost
        return None

    async def elapse(self, seconds: float) -> None:
        """Let time pass, in which every node looks for the store as often as it does at work."""
        end = self.now + seconds
        while True:
            due = min(self._due(number) for number in range(len(self.nodes)))
            if due > end:
                break
            self.now = max(self.now, due)
            for number, node in enumerate(self.nodes):
                if self._due(number) <= self.now:
                    self._beats[number] = self.now
                    await node.begin()
        self.now = end

    def stall(self, seconds: float) -> None:
        """Let time pass in which no node is at work."""
        self.now += seconds

    async def kill(self, number: int) -> None:
        """A node dies with what it has in hand; another takes its place."""
        self.nodes[number] = self._node(number)
        await self.nodes[number].begin()

    def worst(self) -> float:
        """What the worst of all windows holds beyond the rate in its time: more than the burst breaks the promise."""
        return excess(self.admitted, self.rate.rate)

    def _due(self, number: int) -> float:
        return self._beats[number] + (PROBE if self.nodes[number].reach.away() else BEAT)

    def _node(self, number: int) -> Limiter:
        drift = self._drifts[number]
        clock, sleep = self._clock(drift), partial(self._slept, drift)
        return Limiter(self.store, f"n{next(self._names)}", lambda: len(self.nodes), clock, sleep)

    async def sleep(self, seconds: float) -> None:
        """Let time pass in turn with whoever waits in the limiters."""
        wakes = self.now + seconds
        self._sleepers.append(wakes)
        try:
            first = 0  # turns in a row
            while first < TURNS:  # time moves in turns, and nobody tells
                await asyncio.sleep(0)
                first = first + 1 if wakes <= min(self._sleepers) else 0
        finally:
            self._sleepers.remove(wakes)
        if wakes > self.now:
            await self.elapse(wakes - self.now)

    async def _slept(self, drift: float, seconds: float) -> None:
        await self.sleep(seconds / drift)

    def _clock(self, drift: float) -> Callable[[], float]:
        return lambda: (self.now - BEGIN) * drift


def excess(admitted: Sequence[float], rate: float) -> float:
    """The most that any window of these moments, in order, holds beyond the rate in its length."""
    worst, low = 0.0, float("inf")
    for number, moment in enumerate(admitted):
        low = min(low, number - rate * moment)
        worst = max(worst, number + 1 - rate * moment - low)
    return worst
