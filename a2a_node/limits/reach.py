"""Reach: whether the store of buckets can be asked, and when this process limits alone. Time is a parameter.

How it stays exact over an outage. Where there are others, nobody admits a call alone before GRACE has gone by since
it noticed; by then everybody who asks the store has noticed, too, or has been silent for longer than LONG. Whoever
comes back after such a time says so, and the store lets every bucket begin empty at one moment a little later, by
when all have come back. Until that moment all go on alone; each leaves off by its own clock, before the store
begins. Where there are no others, what was admitted alone is charged to the bucket afterwards, and nothing else
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import structlog

from a2a_node.model.limits import Memory

log = structlog.get_logger()

GRACE = 1.0  # seconds from noticing until this process's own share begins to fill
LONG = 0.9  # seconds of silence after which others may have limited alone
EARLY = 0.98  # of the time until the buckets begin: a clock may be 2 % slow
ANEW = 0.5  # seconds after buckets began empty
SILENT, ALONE = 1, 2


class Reach:
    """What this process knows of the store; `void` is called when all tokens in hand have lost their worth."""

    def __init__(self, void: Callable[[], None]) -> None:
        self.since = -1
        self.holders = 0
        self.fallbacks = 0
        self.others = False  # who limit, too, when the store was lost
        self.alone_from = -inf  # when the shares of this time began empty
        self._void = void
        self._away = False
        self._opens = -inf
        self._began = -inf
        self._heard = -inf

    def alone(self, now: float) -> bool:
        """Whether this process limits alone now."""
        return self._away or now < self._opens or self.since < 0

    def anew(self, now: float) -> bool:
        """Whether the buckets begin empty about now, of which no caller knows."""
        return now < self._began + ANEW

    def away(self) -> bool:
        """Whether the store does not answer."""
        return self._away

    def slow(self, now: float) -> bool:
        """Whether the store does not answer, but did so lately that it may be slow and nothing else."""
        return self._away and self.silent(now) < LONG

    def silent(self, now: float) -> float:
        """Seconds since the store was heard."""
        return now - self._heard

    def mark(self, now: float) -> int:
        """What to say of the time since the store was heard."""
        if self._away and self.others and now >= self.alone_from:
            return ALONE
        if self.since < 0 and self.alone_from > -inf:
            return ALONE
        return SILENT if self.since >= 0 and self.silent(now) > LONG else 0

    def lost(self, now: float, *, others: bool) -> None:
        """Take in that the store does not answer, and whether others limit, too."""
        if self._away:
            return
        self.others = others
        self.alone_from = max(now, self._opens) + (GRACE if others else 0.0)
        self._away = True
        self.fallbacks += 1
        log.warning("limits are kept by this node's own share: redis is away")

    def heard(self, memory: Memory, mark: int, asked: float, now: float) -> bool:
        """Take in an answer; False when it came so late that the question must be asked again, with a mark."""
        if not mark and self.since >= 0 and self.silent(now) > LONG:
            return False
        if memory.since < self.since:
            return False
        was_alone = self.alone(now)
        if memory.since != self.since:
            self.since = memory.since
            self._void()
        left = (memory.since - memory.now) / 1_000_000
        self._began = asked + left
        self._opens = asked + left * EARLY if left > 0 else -inf
        self._heard, self.holders = asked, memory.holders
        if self._away:
            log.info("limits are kept in redis again", since=memory.since)
        self._away = False
        if self.alone(now):  # nobody is given anything until the buckets begin
            known = was_alone and self.alone_from > -inf
            self.alone_from = min(self.alone_from, now) if known else now
        return True
