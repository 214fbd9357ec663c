"""Buckets of tokens in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import floor
from time import time

from a2a_node.model.limits import Ask, Given, Level, Memory, Rate
from a2a_node.testing.presence import Presence

GAP, LOSS, HEARD, REMEMBERED, QUIET = 0.75, 1.75, 3.0, 10.0, 0.6  # seconds
SILENT, ALONE = 1, 2
EARLY, MOST_EARLY = 0.05, 0.25  # of a token, and seconds, that one used outright may be given too early


@dataclass(slots=True)
class _Bucket:
    """Tokens, and the leases on them by their names, each with its end."""

    level: float
    at: float
    rate: Rate
    since: int
    spent: float | None  # and not grown again, whatever the brim was; None where that is not known
    until: float = 0.0  # when it is as good as none: every lease has ended, and it is full under any brim
    leases: dict[str, tuple[int, float]] = field(default_factory=dict)

    def out(self) -> int:
        """All tokens of leases on record."""
        return sum(tokens for tokens, _ in self.leases.values())


class MemoryBuckets(Presence):
    """The port `Buckets` on dictionaries. `lose()` makes it behave as if Redis were away, until `recover()`.

    `restart()` plays that it was restarted, `flush()` that its data was deleted. The clock tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        super().__init__("redis")
        self._clock = clock
        self._run = self._met_run = 0
        self._since: int | None = None
        self._heard: dict[str, float] = {}
        self._buckets: dict[str, _Bucket] = {}

    def restart(self) -> None:
        """The server is another one now, and may have forgotten what was told it last."""
        self._run += 1

    def flush(self) -> None:
        """All data is gone."""
        self._since, self._heard, self._buckets = None, {}, {}

    async def meet(self, holder: str, known: int, mark: int) -> Memory:
        """Say that a holder is there."""
        self.check()
        return self._meet(holder, known, mark)

    async def lease(self, holder: str, known: int, mark: int, asked: tuple[str, Ask]) -> tuple[Memory, Given]:
        """Ask for tokens of a bucket, and meet."""
        self.check()
        return self._meet(holder, known, mark), self._lease(known, *asked)

    async def give_back(self, holder: str, known: int, asks: Sequence[tuple[str, Ask]]) -> None:
        """Settle all leases of a holder, and forget that it was there."""
        self.check()
        for asked in asks:
            self._lease(known, *asked)
        self._heard.pop(holder, None)

    async def look(self, bucket: str, rate: Rate, known: int) -> Level:
        """How a bucket stands."""
        self.check()
        now, found = self._clock(), self._state(bucket, rate, known)
        return Level(found.level, sum(tokens for tokens, end in found.leases.values() if end > now))

    def _meet(self, holder: str, known: int, mark: int) -> Memory:
        now = self._clock()
        others = [moment for name, moment in self._heard.items() if name != holder]
        begun = self._begun(known, mark, [now - moment for moment in others], present=bool(self._heard))
        self._since = begun
        self._met_run = self._run
        self._heard = {name: moment for name, moment in self._heard.items() if now - moment <= REMEMBERED}
        self._heard[holder] = now
        return Memory(round(now * 1e6), begun, 1 + sum(now - moment < HEARD for moment in others))

    def _begun(self, known: int, mark: int, ages: Sequence[float], *, present: bool) -> int:
        """Since when the buckets are whole."""
        now, since = self._clock(), self._since
        lost, anew = round((now + LOSS) * 1e6), round((now + GAP) * 1e6)
        if since is None:
            return 0 if known < 0 and mark != ALONE else lost
        if self._met_run != self._run or known > since:
            return lost if present or known > since else since
        if mark == ALONE and since <= now * 1e6 and (since == known or known < 0):
            return anew
        quiet = bool(ages) and QUIET < min(ages) < REMEMBERED
        return anew if mark == SILENT and since == known and quiet else since

    def _state(self, name: str, rate: Rate, since: int) -> _Bucket:
        now, bucket = self._clock(), self._buckets.get(name)
        if bucket is None or bucket.since < since or now >= bucket.until:
            whole = (now - since / 1e6) * rate.rate
            if since == 0 or whole >= rate.burst:
                return _Bucket(rate.burst, now, rate, since, 0.0)
            return _Bucket(max(0.0, whole), now, rate, since, None)
        gain, out, spent = max(0.0, now - bucket.at) * bucket.rate.rate, bucket.out(), bucket.spent
        level = max(bucket.level, min(bucket.level + gain, float(bucket.rate.burst - out)))
        if spent is not None:
            spent = min(spent, max(spent - gain, out))
            level = max(level, rate.burst - spent)
        return _Bucket(level, now, bucket.rate, bucket.since, spent, bucket.until, dict(bucket.leases))

    def _lease(self, since: int, name: str, ask: Ask) -> Given:
        now, bucket = self._clock(), self._state(name, ask.rate, since)
        if bucket.since > since:
            return Given(0, stale=True)
        bucket.leases = {one: kept for one, kept in bucket.leases.items() if one == ask.holder or kept[1] > now}
        had, end = bucket.leases.pop(ask.holder, (0, now))
        left = max(0, had - ask.used) if end > now else 0
        keeps = min(ask.held, left)
        level = min(bucket.level + left - keeps - ask.debt, max(0.0, ask.rate.burst - bucket.out() - keeps))
        soon = level + min(EARLY, ask.rate.rate * MOST_EARLY) if ask.outright else level
        give = _share(soon, ask) if now >= since / 1e6 else 0
        leased = keeps + give - (min(give, ask.need) if ask.outright else 0)
        if leased:
            bucket.leases[ask.holder] = (leased, now + ask.ttl)
        bucket.level, bucket.at, bucket.rate = level - give, max(now, since / 1e6), ask.rate
        if bucket.spent is not None:
            bucket.spent += give + ask.debt + keeps - left
        missing = max(ask.rate.burst - bucket.level, bucket.spent or 0.0)
        bucket.until = bucket.at + ask.ttl + missing / ask.rate.rate + 1
        self._buckets[name] = bucket
        wait = max(0.0, (1 if give else max(1, ask.least)) - bucket.level) / ask.rate.rate
        early = max(0.0, -bucket.level) / ask.rate.rate if give else 0.0
        return Given(give, max(0.0, since / 1e6 - now) + wait, early=early)


def _share(level: float, ask: Ask) -> int:
    if level < ask.least:
        return 0
    return floor(min(level, ask.need)) + floor(max(0.0, min(ask.want - ask.need, (level - ask.need) / 2)))
