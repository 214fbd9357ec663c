"""Which numbers of a sender have been seen: bounded memory, whatever the rate, and none is let through twice."""

from __future__ import annotations

SPAN = 32_768  # numbers behind the highest that may still come late; 4 KiB a sender
SENDERS = 1024
_MASK = (1 << SPAN) - 1


class _Seen:
    """The highest number of a sender, and a bit for each of those right behind it."""

    __slots__ = ("bits", "last", "top")

    def __init__(self) -> None:
        self.top, self.bits, self.last = 0, 0, 0.0

    def first(self, number: int) -> bool:
        """Whether a number, from 1, comes for the first time."""
        ahead = number - self.top
        if ahead > 0:
            self.bits = (self.bits << ahead | 1) & _MASK if ahead < SPAN else 1
            self.top = number
            return True
        if ahead <= -SPAN or self.bits >> -ahead & 1:
            return False
        self.bits |= 1 << -ahead
        return True


class Replays:
    """Numbers by sender; a sender that was silent for `idle` seconds may be forgotten, for its numbers are too old."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._senders: dict[str, _Seen] = {}

    def first(self, sender: str, number: int, now: float) -> bool:
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
