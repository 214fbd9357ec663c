"""Patience: how long a store may take to answer, counted only while this process's own loop runs.

A process that was not run for a second has not waited for a second: the answer may lie in its socket, unread, and
`asyncio.timeout` would take the store for lost. Where two cores had to do the work of ten, that was most of what was
called away.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

LOOKS = 4  # in a patience
LATE = 0.5  # of the time between two looks: whoever looks later than that stood still meanwhile
MOST = 4 * LOOKS  # looks in all, however many were late


class Patience:
    """Ends its block by TimeoutError once so many seconds were waited out. It rests while nothing is asked."""

    def __init__(self, seconds: float) -> None:
        self._pause = seconds / LOOKS
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._looks = self._counted = 0

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
        await self._limit.__aexit__(kind, error, trace)

    def begin(self) -> None:
        """Something is asked now."""
        self.pause()
        self._looks = self._counted = 0
        self._look_later()

    def pause(self) -> None:
        """It has been answered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._pause
        self._timer = loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._looks += 1
        self._counted += now - self._due < LATE * self._pause
        if self._counted < LOOKS and self._looks < MOST:
            self._look_later()
        elif not self._limit.expired():
            self._limit.reschedule(now)
