"""Hearing of what a store commits: word of each change, and a look now and then in case word was lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from a2a_node.model.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Habits:
    """How a store is followed; spans in seconds."""

    first_wait: float = 0.2  # before it tries again after it was cut off
    longest_wait: float = 5.0
    reread: float = 15.0  # between looks that nobody asked for, in case that word of a change was lost
    patience: float = 5.0  # of whoever waits for a revision


DEFAULT = Habits()


class Tells(Protocol):
    """A store that tells of its changes."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began."""


class Heard(Protocol):
    """Who is told how it stands."""

    def __call__(self, *, cut_off: bool) -> None:
        """The store is heard, or was cut off: once for each try to hear it."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Has a room catch up with a store; both works go on for ever."""

    store: Tells
    habits: Habits
    catch_up: Callable[[int | None], Awaitable[None]]
    """Read what changed, unless that revision is here already; whatever changed for None. StoreUnavailable."""
    heard: Heard

    async def follow(self) -> None:
        """Hear of changes; come back whenever that was cut off."""
        wait = self.habits.first_wait
        while True:
            with suppress(StoreUnavailable):  # said once, below
                async with self.store.revisions() as revisions:
                    await self.catch_up(None)
                    self.heard(cut_off=False)
                    wait = self.habits.first_wait
                    async for revision in revisions:
                        await self.catch_up(revision)
            self.heard(cut_off=True)
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - it keeps no secret, it spreads nodes
            wait = min(2 * wait, self.habits.longest_wait)

    async def reread(self) -> None:
        """Look now and then, unasked."""
        while True:
            await asyncio.sleep(self.habits.reread)
            with suppress(StoreUnavailable):  # whoever hears of changes notices as well
                await self.catch_up(None)
