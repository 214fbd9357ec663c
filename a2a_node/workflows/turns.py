"""When steps of runs may begin: one after the other, as far apart as the node says, or all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic


class Turns:
    """A line of those who wait for their turn, in the order in which they came."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """The clock tells seconds."""
        self._clock = clock
        self._apart = self._next = 0.0
        self._line = asyncio.Lock()

    def space(self, apart: float) -> None:
        """Let whoever comes now, and whoever waits, go so many seconds after the one before."""
        self._apart = apart

    async def turn(self) -> None:
        """Wait for it."""
        if not self._apart and not self._line.locked():
            return
        async with self._line:
            if (left := self._next - self._clock()) > 0:
                await asyncio.sleep(left)
            self._next = self._clock() + self._apart
