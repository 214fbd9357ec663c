"""Whether this process has just stood still: stopped, swapped out, or kept from its loop for long.

What it reads first then is old: the calls in it may long be over for whoever asked, and have been done elsewhere. The
news of that is in the same buffers, or in a timer that is due. So nothing is begun until those had their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Self

BEAT = 0.25  # seconds between looks, and that it takes to read what has piled up
STILL = 1.0  # seconds without a look, beyond a beat, that count as standing still


class Awake:
    """Looks at the clock every now and then; `watch` has to run beside whatever asks, and does so in `watching`."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """The clock tells seconds."""
        self._clock = clock
        self._looked = self._calm = clock()

    @classmethod
    @asynccontextmanager
    async def watching(cls) -> AsyncIterator[Self]:
        """One that looks until the block ends."""
        awake = cls()
        task = asyncio.create_task(awake.watch())
        try:
            yield awake
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def watch(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(BEAT)
            self.look()

    def look(self) -> float:
        """Seconds to wait before anything is begun; not above 0 unless the process has just stood still."""
        now = self._clock()
        if now - self._looked > BEAT + STILL:
            self._calm = now + BEAT
        self._looked = now
        return self._calm - now

    async def calm(self) -> None:
        """Wait until something may be begun, which mostly is at once."""
        if (seconds := self.look()) > 0:
            await asyncio.sleep(seconds)
