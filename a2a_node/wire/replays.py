"""Which numbers of a sender have been seen: bounded memory, whatever the rate, and none is let through twice."""

from __future__ import annotations

from collections.abc import Hashable

SPAN = 32_768  # numbers behind the highest that may still come late; 6 KiB a sender
SENDERS = 1024
_PART = 1024  # numbers whose bits are one integer: all of them in one took 0.8 µs a number, and the cache of others
_PARTS = SPAN // _PART + 1  # one more, for the highest number is mostly somewhere within its own


class _Seen:
    """The highest number of a sender, and a bit for each of those right behind it, in parts that take turns."""

    __slots__ = ("last", "parts", "top")

    def __init__(self) -> None:
        self.top, self.parts, self.last = 0, [0] * _PARTS, 0.0

    def first(self, number: int) -> bool:
        """Whether a number, from 1, comes for the first time."""
        if number > self.top:
            self._advance(number)
        elif number <= self.top - SPAN:
            return False
        part, bit = number // _PART % _PARTS, 1 << number % _PART
        if self.parts[part] & bit:
            return False
        self.parts[part] |= bit
        return True

    def _advance(self, number: int) -> None:
        """Empty the parts that a higher number begins; they have those in them that are too far behind now."""
        before, now = self.top // _PART, number // _PART
        for part in range(max(before, now - _PARTS) + 1, now + 1):
            self.parts[part % _PARTS] = 0
        self.top = number


class Replays:
    """Numbers by sender; a sender that was silent for `idle` seconds may be forgotten, for its numbers are too old."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._senders: dict[Hashable, _Seen] = {}

    def first(self, sender: Hashable, number: int, now: float) -> bool:
        """Whether the number of that sender comes for the first time, and not too late; time in seconds."""
        seen = self._senders.get(sender)
        if seen is None:
            if len(self._senders) >= SENDERS and not self._forget(now):
                return False
            seen = self._senders[sender] = _Seen()
        seen.last = now
        return seen.first(number)

    def __len__(self) -> int:
        return len(self._senders)

    def _forget(self, now: float) -> bool:
        """Make room; False when all of them are needed."""
        for sender in [sender for sender, seen in self._senders.items() if now - seen.last > self._idle]:
            del self._senders[sender]
        return len(self._senders) < SENDERS
