"""The retry layer: another try where it can help and does no harm, as long as there is time and the budget lasts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from a2a_node.model.call import Call, Once, Proceed, Reply
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import Payload


@dataclass(frozen=True, slots=True)
class Habits:
    """How calls are tried again; spans in seconds."""

    tries: int = 3  # of one call at most, the first among them
    share: float = 0.2  # of all calls that may be tries of earlier ones
    floor: float = 10.0  # tries that a node may always make, for one that has few calls; one comes back each second
    most: float = 100.0  # tries that may be saved up
    first_pause: float = 0.01  # doubled each time, and shortened by up to half at random
    longest_pause: float = 1.0


DEFAULT = Habits()


class Savings:
    """The retry budget: every call puts a share of a retry by, and every retry takes one out."""

    def __init__(self, habits: Habits, now: float) -> None:
        self._habits = habits
        self._saved = habits.floor
        self._at = now

    def put(self) -> None:
        """A call came."""
        self._saved = min(self._saved + self._habits.share, self._habits.most)

    def take(self, now: float) -> bool:
        """Pay for a retry; False when there is nothing left."""
        if self._saved < self._habits.floor:
            self._saved = min(self._saved + now - self._at, self._habits.floor)
        self._at = now
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


@dataclass(slots=True)
class Tries:
    """How many calls were tried again, and how many were not although it might have helped."""

    again: int = 0
    unpaid: int = 0  # the budget was used up
    late: int = 0  # no time was left


def helps(call: Call, failure: MeshError) -> bool:
    """Whether another try may end better and does no harm.

    A failure that nobody picked an instance for is not helped. Work that may have begun is done again only where that
    is safe: for idempotent capabilities, and for calls whose key makes the outcome count once.
    """
    if call.replied or not failure.retryable or call.instance is None:
        return False
    if call.keeping is not None and call.keeping.given:  # another node goes on with it
        return False
    safe = bool(call.idempotency_key) or (call.offered is not None and call.offered.idempotent)
    return not call.begun or (safe and isinstance(call.requests, Once))


def pause(habits: Habits, tried: int, spread: float) -> float:
    """Seconds before the next try, after so many; `spread` is from 0 to 1."""
    return min(habits.first_pause * 2.0 ** (tried - 1), habits.longest_pause) * (1.0 - spread / 2)


class Retry:
    """The layer, and what it did."""

    def __init__(self, habits: Habits = DEFAULT, spread: Callable[[], float] = random.random) -> None:
        self._habits = habits
        self._spread = spread
        self.savings = Savings(habits, monotonic())
        self.tries = Tries()

    async def layer(self, call: Call, proceed: Proceed) -> None:
        """Try, and try again as long as this helps; what the last try failed with is raised."""
        self.savings.put()
        kept = call.requests.payload if isinstance(call.requests, Once) else None
        said = call.reply
        call.reply = _noted(call, said)
        try:
            try:
                await proceed(call)
            except MeshError as failure:
                first = failure
            else:
                return
            await self._again(call, proceed, first, kept)
        finally:
            call.reply = said  # the other one and the call hold each other, and would be left to the collector

    async def _again(self, call: Call, proceed: Proceed, failure: MeshError, kept: Payload | None) -> None:
        tried = 1
        while True:
            await asyncio.sleep(self._pause(call, failure, tried))
            tried += 1
            self.tries.again += 1
            call.begun = False
            if call.instance is not None:
                call.tried = (*call.tried, call.instance.id)
            if kept is not None:
                call.requests = Once(kept)
            try:
                await proceed(call)
            except MeshError as another:
                if call.instance is None:  # nobody is left to ask; what went wrong before says more
                    raise failure from None
                failure = another
            else:
                return

    def _pause(self, call: Call, failure: MeshError, tried: int) -> float:
        """Seconds until the next try; the failure itself when there should be none."""
        if tried >= self._habits.tries or not helps(call, failure):
            raise failure
        wait, now = pause(self._habits, tried, self._spread()), monotonic()
        if call.envelope is not None and call.envelope.time_left(now) <= wait:
            self.tries.late += 1
            raise failure
        if not self.savings.take(now):
            self.tries.unpaid += 1
            raise failure
        return wait


def _noted(call: Call, reply: Reply) -> Reply:
    """Replies that leave a mark: what was said is never said again."""

    async def noting(payload: Payload) -> None:
        call.replied = True
        await reply(payload)

    return noting
