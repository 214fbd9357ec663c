"""Bells in Redis: whoever changes a run rings, and those who watch it hear what happened, or look at once.

Nobody depends on them: a bell may be lost, and without Redis those who watch look every half second. So whoever rings
waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import islice

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.background import beside
from a2a_node.store.redis import Redis
from a2a_node.store.wakeups import Wakeup, Wakeups

MOST_WAITING = 1000  # runs whose bells are to be rung; beyond that readers look by themselves
COMPANY = 0.1  # seconds that a bell waits for others which nobody is in a hurry to hear
MOST_TOGETHER = 64  # of one trip
LARGEST = 16 * 1024  # characters of what a bell tells
LOOK = "1"  # what one says that tells nothing


class RunBells:
    """A bell for each run; made by `ringing`."""

    def __init__(self, redis: Redis, wakeups: Wakeups) -> None:
        self._redis, self._wakeups = redis, wakeups
        self._due: dict[str, str] = {}  # what is to be told, by channel
        self._rung, self._hurried = asyncio.Event(), asyncio.Event()

    def ring(self, run_id: str, told: str | None = None, *, lazily: bool = False) -> None:
        """Wake those who watch the run, on all nodes, and tell them its next events, as `run_told` reads them.

        `lazily` a little later, together with what follows.
        """
        name = _name(run_id)
        if name not in self._due and len(self._due) >= MOST_WAITING:
            return
        self._due[name] = _together(self._due.get(name), LOOK if told is None else told)
        self._rung.set()
        if not lazily:
            self._hurried.set()

    async def send(self) -> None:
        """Ring what is due, for ever."""
        while True:
            await self._rung.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(COMPANY):
                    await self._hurried.wait()
            self._rung.clear()
            self._hurried.clear()
            while self._due:
                some = [(name, self._due.pop(name)) for name in list(islice(self._due, MOST_TOGETHER))]
                with suppress(StoreUnavailable):  # they look by themselves
                    await self._rung_all(some)

    async def _rung_all(self, some: Sequence[tuple[str, str]]) -> None:
        if len(some) == 1:
            await self._redis.ask("PUBLISH", *some[0])  # half of what a pipeline takes
        else:
            await self._redis.ask_all([("PUBLISH", *one) for one in some])

    def heard(self, run_id: str) -> AbstractAsyncContextManager[Wakeup]:
        """Hear the bell of a run from the moment the block begins; StoreUnavailable."""
        return self._wakeups.of(_name(run_id))


@asynccontextmanager
async def ringing(redis: Redis, wakeups: Wakeups) -> AsyncIterator[RunBells]:
    """Bells until the block ends."""
    bells = RunBells(redis, wakeups)
    async with beside(bells.send()):
        yield bells


def _together(before: str | None, told: str) -> str:
    """What two bells tell as one tells it: the elements of either list, where there is room for both."""
    if before is not None:
        told = LOOK if LOOK in (before, told) else f"{before[:-1]}, {told[1:]}"
    return LOOK if len(told) > LARGEST else told


def _name(run_id: str) -> str:
    return f"a2a:run:{{{run_id}}}"
