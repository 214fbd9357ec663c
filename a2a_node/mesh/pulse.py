"""Whether the other end of a stream still lives, from when it was last heard and when it last took in a frame."""

from __future__ import annotations

from enum import Enum, auto


class Sign(Enum):
    """What is to be done about a stream."""

    WELL = auto()
    PING = auto()
    LOST = auto()


class Pulse:
    """Judges one stream; every time is on one clock, in seconds, and comes from outside.

    After `silence` without a frame in either direction a ping is due. The other end is lost when it says nothing for
    another `silence` after a ping was written, or when it has let frames wait for three of them.
    """

    def __init__(self, silence: float, now: float) -> None:
        self._silence = silence
        self._heard = self._written = now
        self._asked: float | None = None  # when an unanswered ping was written
        self._due = False  # a ping is on its way out

    def heard(self, now: float) -> None:
        """A frame came in; whatever it says, it says that the other end lives."""
        self._heard, self._asked, self._due = now, None, False

    def written(self, now: float) -> None:
        """A frame went out."""
        self._written = now

    def look(self, now: float, waiting: int) -> Sign:
        """How it stands, with so many frames not written yet; a ping that this asks for is expected to be sent."""
        if waiting:
            return Sign.LOST if now - self._written >= 3 * self._silence else Sign.WELL
        if self._due:
            self._asked, self._due = now, False
        if self._asked is not None:
            return Sign.LOST if now - self._asked >= self._silence else Sign.WELL
        self._due = now - min(self._heard, self._written) >= self._silence
        return Sign.PING if self._due else Sign.WELL
