"""Steps of runs give way to calls: where both come and the node's loop is late, steps begin further apart.

A step can wait for some milliseconds, and whoever calls an agent cannot. Ten runs that go as fast as they can keep a
loop busy without a break, and each call stands in line behind their steps. A heartbeat tells how long that line is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from time import monotonic

from a2a_node.model.call import Call, Proceed

BEAT = 0.005  # seconds between two beats
BEATS = 10  # until the engine hears what came of them
ALONE, IDLE = 0.5, 1.0  # seconds without a call, and without a step, until there is nobody to give way to
LATE = 0.001  # seconds: a loop of uvloop with nothing to do is late by 0.3 ms, for its timers count milliseconds
FIRST, LEAST = 0.012, 0.002  # seconds between two steps: at first, and where there are any
WIDER, CLOSER = 1.5, 0.99  # times, after a late beat and after one in time: held where one in forty is late

Tell = Callable[[float], None]


class Spacing:
    """How far apart steps begin, by what the beats of the loop were late by."""

    __slots__ = ("_most", "seconds")

    def __init__(self, most: float) -> None:
        self._most = most
        self.seconds = min(FIRST, most)

    def saw(self, late: float) -> None:
        """A beat came so many seconds late."""
        if late > LATE:
            self.seconds = min(self._most, max(LEAST, self.seconds * WIDER))
        else:
            self.seconds = self.seconds * CLOSER if self.seconds > LEAST else 0.0


class GivingWay:
    """Sees who comes, and says how far apart the steps of the node's own runs are to begin.

    Calls are those that begin a tree: what agents call in turn may itself be part of a run, whose steps would give way
    to each other.
    """

    def __init__(self, most: float, clock: Callable[[], float] = monotonic) -> None:
        """`most`: seconds between two steps at most; with 0 they never give way. The clock tells seconds."""
        self.apart = 0.0  # seconds, as was said last
        self._wanted = most > 0
        self._spacing, self._clock = Spacing(most), clock
        self._called = self._stepped = -inf  # when one came last
        self._beating = False
        self._met = asyncio.Event()

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """The layer: it sees who comes."""
        if call.step is not None:
            self._stepped = now = self._clock()
        elif call.agent and call.envelope is not None and not call.envelope.parent:
            self._called = now = self._clock()
        else:
            return proceed(call)
        if self._wanted and not self._beating and self._together(now):
            self._met.set()
        return proceed(call)

    @asynccontextmanager
    async def kept(self, tell: Tell) -> AsyncIterator[None]:
        """Look until the block ends; `tell` hears the seconds every 50 ms while both come, and 0 once after."""
        task = asyncio.create_task(self._kept(tell))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _kept(self, tell: Tell) -> None:
        while True:
            await self._met.wait()
            self._beating = True
            while self._together(self._clock()):
                self._say(tell, self._spacing.seconds)
                await self._beats()
            self._say(tell, 0.0)
            self._beating = False
            self._met.clear()

    def _together(self, now: float) -> bool:
        """Whether both come now."""
        return now - self._stepped < IDLE and now - self._called < ALONE

    async def _beats(self) -> None:
        for _ in range(BEATS):
            due = self._clock() + BEAT
            await asyncio.sleep(BEAT)
            self._spacing.saw(self._clock() - due)

    def _say(self, tell: Tell, seconds: float) -> None:
        if seconds or self.apart:
            self.apart = seconds
            tell(seconds)
