"""Turns at an agent: so many calls at a time, so many that wait for theirs, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from a2a_node.model.errors import AgentOverloaded, MeshError


class Slots:
    """`size` calls at a time, ten times as many waiting."""

    def __init__(self, agent: str, size: int) -> None:
        self._agent = agent
        self._free = size
        self._line = 10 * size
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._closed: Callable[[], MeshError] | None = None
        self.taken = 0

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    async def take(self) -> None:
        """Take a slot, waiting for one if need be; AgentOverloaded when too many wait already."""
        if self._closed is not None:
            raise self._closed()
        if self._free:
            self._free -= 1
        else:
            await self._turn()
        self.taken += 1

    def give(self) -> None:
        """Give a slot back: to whoever has waited longest."""
        self.taken -= 1
        self._pass_on()

    def close(self, failure: Callable[[], MeshError]) -> None:
        """Fail whoever waits, and whoever comes, with a failure of their own each."""
        self._closed = failure
        for place in self._waiting:
            if not place.done():
                place.set_exception(failure())

    async def _turn(self) -> None:
        if len(self._waiting) >= self._line:
            raise AgentOverloaded(self._agent, len(self._waiting))
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[place] = None
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._pass_on()  # the turn had come just then
            raise
        finally:
            self._waiting.pop(place, None)

    def _pass_on(self) -> None:
        for place in self._waiting:
            if not place.done():
                place.set_result(None)
                del self._waiting[place]
                return
        self._free += 1
