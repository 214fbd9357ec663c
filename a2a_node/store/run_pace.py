"""How often those who watch a run look by themselves: seldom where bells ring, soon where none does."""

from __future__ import annotations

import asyncio
from time import monotonic

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.wakeups import Wakeup

SOON, SELDOM = 0.5, 5.0  # seconds between two looks
LEAST = 0.05  # seconds between two looks, however often bells ring that tell too little


class Pace:
    """The pace of one reader."""

    def __init__(self) -> None:
        self._wait = SOON
        self._rung = False
        self._looked = 0.0

    def looked(self, *, found: bool) -> None:
        """Take in that the reader has looked, and whether there was something."""
        self._looked = monotonic()
        self._wait = min(2 * self._wait, SELDOM) if self._rung or not found else SOON

    async def wait(self, bell: Wakeup | None) -> Wakeup | None:
        """Wait for the bell, or for as long as one may go without looking; None when there is no bell any more."""
        self._rung = False
        try:
            async with asyncio.timeout(self._wait):
                await (asyncio.Event() if bell is None else bell).wait()
        except TimeoutError:
            return bell
        except StoreUnavailable:
            return None
        self._rung, self._wait = True, SELDOM
        return bell

    async def rest(self) -> None:
        """Wait until one may look again."""
        await asyncio.sleep(self._looked + LEAST - monotonic())
