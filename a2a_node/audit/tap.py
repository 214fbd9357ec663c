"""The tap: calls of this node as they end, told to whoever looks now; costs nothing while nobody does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeAlias

from a2a_node.model.errors import TooManySubscribers
from a2a_node.model.tap import EndedCall, TapFilter

MOST = 16  # readers
AHEAD = 1000  # calls that a slow reader may be behind


@dataclass(frozen=True, slots=True)
class Missed:
    """Calls that ended faster than they were read."""

    calls: int


Tapped: TypeAlias = EndedCall | Missed


class _Reader:
    """What waits for one reader: the newest calls, and how many it missed before them."""

    def __init__(self, wanted: TapFilter) -> None:
        self.wanted = wanted
        self.calls: deque[EndedCall] = deque()
        self.missed = 0
        self.news = asyncio.Event()

    def tell(self, call: EndedCall) -> None:
        """Take in a call; the oldest one makes room for it."""
        if not self.wanted.fits(call):
            return
        if len(self.calls) == AHEAD:
            self.calls.popleft()
            self.missed += 1
        self.calls.append(call)
        self.news.set()


class Tap:
    """The readers of a node."""

    def __init__(self, most: int = MOST) -> None:
        self.readers: set[_Reader] = set()
        self._most = most

    def tell(self, call: EndedCall) -> None:
        """Tell all readers of a call that has ended."""
        for reader in self.readers:
            reader.tell(call)

    async def read(self, wanted: TapFilter) -> AsyncGenerator[Tapped | None, None]:
        """None once every call from here on is told, then calls as they end; TooManySubscribers."""
        if len(self.readers) >= self._most:
            raise TooManySubscribers("tap", self._most)
        reader = _Reader(wanted)
        self.readers.add(reader)
        try:
            yield None
            while True:
                await reader.news.wait()
                if reader.missed:
                    missed, reader.missed = Missed(reader.missed), 0
                    yield missed
                if reader.calls:
                    yield reader.calls.popleft()
                if not reader.calls:
                    reader.news.clear()
        finally:
            self.readers.discard(reader)
