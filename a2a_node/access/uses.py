"""Uses of grants that are counted: numbers, handed out by the store, each to one node and once.

A grant under `uses < 100` admits a call for each of the numbers 0 to 99 and for no other: never one too many, however
many nodes ask at a time. A node that asks often is given several numbers at once, and none ahead where the condition
is about to end; numbers in the hand of a node that dies are lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from a2a_node.access.book import Line
from a2a_node.model.grants import Grant

MOST = 64  # numbers in hand
BUSY = 1.0  # seconds: whoever asks again within them asks often


class Counter(Protocol):
    """Hands out numbers."""

    async def claim(self, grant_id: str, count: int) -> int | None:
        """The first of so many numbers; None when the grant has ended. StoreUnavailable."""


@dataclass(slots=True)
class _Hand:
    """Numbers of one grant: from `next` on those before `end` are ours, `end` is the least that is still to be had."""

    next: int
    end: int
    size: int = 1
    asked: float = -BUSY
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Uses:
    """The numbers that this node has in hand, by grant."""

    def __init__(self, counter: Counter, clock: Callable[[], float] = monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._hands: dict[str, _Hand] = {}

    def number(self, grant: Grant) -> int:
        """The number that the next use would have, as far as is known here."""
        hand = self._hands.get(grant.id)
        return grant.uses if hand is None else hand.next

    def at_hand(self, grant: Grant) -> bool:
        """Whether that number is this node's to use."""
        hand = self._hands.get(grant.id)
        return hand is not None and hand.next < hand.end

    def use(self, line: Line) -> None:
        """Use up the next number of each of these grants; all of them are at hand."""
        for grant in line:
            self._hands[grant.id].next += 1

    async def claim(self, grant: Grant, holds: Callable[[int], bool]) -> bool:
        """Get at least one number more, several while the condition `holds` far ahead; False when the grant ended."""
        hand = self._hands.setdefault(grant.id, _Hand(grant.uses, grant.uses))
        async with hand.lock:
            if hand.next < hand.end:
                return True
            size = self._size(hand)
            count = size if size > 1 and holds(hand.end + 2 * size) else 1
            first = await self._counter.claim(grant.id, count)
            if first is None:
                return False
            hand.next, hand.end, hand.size, hand.asked = first, first + count, count, self._clock()
            return True

    def forget(self, holds: Callable[[str], bool]) -> None:
        """Let go of the numbers of grants that no longer hold."""
        for one in [one for one in self._hands if not holds(one)]:
            if not self._hands[one].lock.locked():
                del self._hands[one]

    def _size(self, hand: _Hand) -> int:
        busy = self._clock() - hand.asked < BUSY
        return min(2 * hand.size, MOST) if busy else 1
