"""Whether calls that come over a stream may be begun at once: after a silence, whoever sends them is asked first.

A frame may lie in buffers while its sender stands still or the network is broken. Then its call is over when it comes,
and may have been done elsewhere; the news of that comes behind it. The answer to a question comes behind the news.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

SILENT = 0.5  # seconds without a frame; claims, which others may take over, live longer than that


class Doubt:
    """Of one stream, from its begin on."""

    def __init__(self, ask: Callable[[int], None], clock: Callable[[], float] = monotonic) -> None:
        """`ask` sends a ping with that number; the clock tells seconds."""
        self._ask = ask
        self._clock = clock
        self._heard = clock()
        self._number = 0
        self._doubtful = False
        self._answered: asyncio.Future[None] | None = None  # of the question that is open

    def heard(self) -> None:
        """A message came; what follows in it is in doubt when nothing came before it for long."""
        now = self._clock()
        if now - self._heard >= SILENT:
            self._doubtful = True
            if self._answered is not None:  # the answer may have lain in the same buffers
                self._question()
        self._heard = now

    def pong(self, number: int) -> None:
        """An answer came."""
        if self._answered is not None and number == self._number:
            self._doubtful = False
            self._answered.set_result(None)
            self._answered = None

    async def settled(self) -> None:
        """Wait until what was heard before this may be begun, which mostly is at once."""
        if self._doubtful:
            if self._answered is None:
                self._answered = asyncio.get_running_loop().create_future()
                self._question()
            await asyncio.shield(self._answered)  # which others wait for as well

    def _question(self) -> None:
        self._number += 1
        self._ask(self._number)
