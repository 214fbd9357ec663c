"""The limiter: lets calls through while their bucket has tokens, from leases in memory, and asks the store beside.

A call does not wait for a store that does not answer: after PATIENCE it is admitted by this process's own share. Trips
of a busy machine take longer than those 5 ms, though nothing is wrong (measured with six busy loops on two cores: 4 %
of them, at most 12 ms, and more on busier ones): so the wait counts only while this process's own timers are punctual,
and whoever would be refused by the share hears the answer out, for LONGEST at most. The layer takes 1.4 µs of an
admitted call, all incoming layers 52 µs of a refused one.

While the store answers a call is refused only where it has said that it has too few. Calls for which it may have tokens
wait for the next trip, which asks for all of them; who comes later stands behind, and takes none of theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import inf, isinf
from time import monotonic

import structlog

from a2a_node.limits.counts import Counts, Tallies
from a2a_node.limits.hand import REST, Hand, Place, Share
from a2a_node.limits.reach import Reach
from a2a_node.mesh.background import background
from a2a_node.model.errors import RateLimited, StoreUnavailable
from a2a_node.model.limit_ports import Buckets
from a2a_node.model.limits import Level, LimitKey, Memory, Rate

log = structlog.get_logger()

TICK, PATIENCE, MOST_TICKS = 0.001, 5, 10  # seconds; punctual ticks in a row; ticks at all
ALONE = "redis is away, and this node admits its share alone"
UNHEARD = "redis has not been heard yet, which alone knows how much is left"
LONGEST = 0.25  # seconds that a call waits which would be refused otherwise; what it waits for then it hears out
HEARD = 2.0  # seconds for tokens that the store may have, while it answers
ROUNDS = 4  # questions in a row, at most, while the store begins anew or its answers come too late
BEAT, PROBE = 0.25, 0.1  # seconds between looks for the store, while it answers and while it does not
PROBE_PATIENCE = 0.4  # seconds: with PROBE less than the gap before buckets begin again
IDLE, SWEEP = 10.0, 2.0  # seconds
FAREWELL = 1.0  # seconds for handing leases back
MOST = 10_000  # buckets in hand


@dataclass(slots=True, eq=False)
class _Bucket:
    """One bucket as this process knows it."""

    key: LimitKey
    hand: Hand
    counts: Counts
    share: Share | None = None
    trip: asyncio.Task[None] | None = None
    watch: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its name in the store."""
        return " ".join(self.key)


class Limiter:
    """Takes tokens; made by `limiting`."""

    def __init__(
        self,
        buckets: Buckets,
        holder: str,
        peers: Callable[[], int],
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.tallies = Tallies()
        self.reach = Reach(self._void)
        self._store = buckets
        self._holder = holder
        self._peers = peers
        self._clock, self._sleep = clock, sleep
        self._leases = count()
        self._buckets: dict[LimitKey, _Bucket] = {}
        self._dropped = -inf
        self._look = asyncio.Event()

    def __len__(self) -> int:
        return len(self._buckets)

    def alone(self) -> bool:
        """Whether calls are admitted by this process's own share now."""
        return self.reach.alone(self._clock())

    def taken(self, key: LimitKey, rate: Rate, cost: int = 1) -> bool:
        """Take the tokens that a call costs from those in hand; False when they are not there, as `take` would see."""
        bucket = self._buckets.get(key) or self._begun(key, rate)
        hand, now = bucket.hand, self._clock()
        hand.follow(rate)
        if not hand.spend(cost, now, hand.waiting):
            return False
        if hand.running_dry(now):
            self._ask(bucket, cost)
        bucket.counts.admitted += 1
        return True

    async def take(self, key: LimitKey, rate: Rate, cost: int = 1) -> None:
        """Take the tokens that a call costs, and wait for them where that helps; RateLimited when they do not come."""
        if not self.taken(key, rate, cost):
            bucket = self._buckets[key]
            await self._scarce(bucket, cost)
            bucket.counts.admitted += 1

    async def look(self, key: LimitKey, rate: Rate) -> tuple[Level, float, bool]:
        """How a bucket stands, the seconds until it has a token, and whether that is this process's share alone."""
        now, bucket = self._clock(), self._buckets.get(key)
        parts = self._parts()
        if self.reach.alone(now):
            share = self._share(bucket) if bucket else Share(max(self.reach.alone_from, self._dropped))
            wait = share.take(0, now, rate, parts) if parts else inf
            wait = wait or (max(0.0, 1 - share.level) / rate.rate * parts)
            return Level(share.level, 0.0), wait, True
        level = await self._store.look(" ".join(key), rate, self.reach.since)
        hand = bucket.hand.tokens if bucket and now < bucket.hand.end else 0
        return level, 0.0 if hand else max(0.0, 1 - level.available) / rate.rate, False

    async def begin(self) -> None:
        """Meet the store for the first time."""
        await self._meet()

    async def keep(self) -> None:
        """Look for the store, for ever: as soon as it is missed, or when it was not heard for a while."""
        while True:
            wait = PROBE if self.reach.away() else max(0.01, BEAT - self.reach.silent(self._clock()))
            try:
                async with asyncio.timeout(wait):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            if self.reach.away() or self.reach.silent(self._clock()) >= BEAT:
                await self._meet()

    async def sweep(self) -> None:
        """Drop buckets that were idle for a while, for ever."""
        while True:
            await asyncio.sleep(SWEEP)
            now = self._clock()
            if not self.reach.alone(now):
                for bucket in [one for one in self._buckets.values() if not one.trip and one.hand.idle(now, IDLE)]:
                    del self._buckets[bucket.key]

    async def end(self) -> None:
        """Hand all leases back; when the store is away they end by themselves."""
        under_way = [task for one in self._buckets.values() for task in (one.trip, one.watch) if task]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        asks = [(one.name, ask) for one in self._buckets.values() if (ask := one.hand.farewell())]
        if self.reach.alone(self._clock()):
            return
        try:
            async with asyncio.timeout(FAREWELL):
                await self._store.give_back(self._holder, self.reach.since, asks)
        except (StoreUnavailable, TimeoutError):
            log.warning("leases were not handed back: redis is away", leases=len(asks))

    async def _scarce(self, bucket: _Bucket, cost: int) -> None:
        """Wait for a trip to the store, or decide alone; RateLimited."""
        hand = bucket.hand
        if cost > hand.rate.burst:
            self._refuse(bucket, None)
        place = hand.join(cost, self._clock())
        try:
            await self._awaited(bucket, place)
        finally:
            hand.leave(place)
        if (early := place.ripe - self._clock()) > 0:
            await self._sleep(early)

    async def _awaited(self, bucket: _Bucket, place: Place) -> None:
        """Wait, for a trip at a time, until the call is let through."""
        hand, cost, begun = bucket.hand, place.cost, self._clock()
        until = begun + LONGEST
        while not place.served and (now := self._clock()) < begun + HEARD:
            if self.reach.alone(now):
                wait = self._alone(bucket, cost, now)
                if not wait:
                    return
                if await self._grown(wait, until):
                    continue
                # what was asked before the store was missed may yet be answered: a refusal may come late
                if not await self._answered(self._hoped_for(bucket, cost, now)):
                    self._refuse(bucket, wait, self._unasked())
            elif bucket.trip is None and (wait := hand.pause(now)):
                if not await self._paused(bucket, wait, until):
                    break
            else:
                await self._watch(bucket, cost)
        if not place.served:
            self._refuse(bucket, max(hand.pause(self._clock()), REST), self._unasked())

    async def _paused(self, bucket: _Bucket, wait: float, until: float) -> bool:
        """Wait until the store may be asked again; False when it has said that it has too few by then."""
        now = self._clock()
        if bucket.hand.scarce(now):
            return await self._grown(wait, until)
        if wait > LONGEST or not bucket.hand.may_suffice(now + wait):
            return False
        await self._together(bucket, partial(self._rested, wait))
        return True

    async def _grown(self, wait: float, until: float) -> bool:
        """Wait until a bucket that began empty has grown, where that takes so little: it is nobody's doing."""
        now = self._clock()
        if not self.reach.anew(now) or now + wait > until:
            return False
        await self._sleep(max(wait, TICK))
        return True

    def _hoped_for(self, bucket: _Bucket, cost: int, now: float) -> asyncio.Task[None] | None:
        """The trip that may yet be answered; one begins where the store may be slow and has not failed this bucket."""
        hand = bucket.hand
        if bucket.trip is None and self.reach.slow(now) and not hand.torn and not hand.pause(now):
            return self._ask(bucket, cost)
        return bucket.trip

    async def _answered(self, trip: asyncio.Task[None] | None) -> bool:
        """Whether a trip ends soon."""
        return trip is not None and bool((await asyncio.wait((trip,), timeout=LONGEST))[0])

    def _unasked(self) -> str:
        """Why the store is not asked; empty where it is."""
        if not self.alone():
            return ""
        return ALONE if self._parts() else UNHEARD

    def _alone(self, bucket: _Bucket, cost: int, now: float) -> float:
        """Take tokens of this process's share; 0, or else the seconds until there may be enough."""
        parts = self._parts()
        wait = self._share(bucket).take(cost, now, bucket.hand.rate, parts) if parts else inf
        if wait:
            return 1.0 if isinf(wait) else wait
        bucket.counts.alone_calls += 1
        if self.reach.away() and not self.reach.others:
            bucket.hand.debt += cost
        return 0.0

    def _share(self, bucket: _Bucket) -> Share:
        began = max(self.reach.alone_from, self._dropped)
        if bucket.share is None or bucket.share.began != began:
            bucket.share = Share(began)
        return bucket.share

    def _parts(self) -> int:
        return max(self.reach.holders, self._peers())

    def _refuse(self, bucket: _Bucket, wait: float | None, why: str = "") -> None:
        bucket.counts.refused += 1
        principal, agent, capability = bucket.key
        called = f"{agent}.{capability}" if capability else agent
        raise RateLimited(principal, called, str(bucket.hand.rate), wait, why)

    def _begun(self, key: LimitKey, rate: Rate) -> _Bucket:
        if len(self._buckets) >= MOST:
            self._drop()
        bucket = _Bucket(key, Hand(self._lease(), rate), self.tallies.of(key.agent))
        self._buckets[key] = bucket
        return bucket

    def _drop(self) -> None:
        """Make room: a lease is lost with it, and never doubled; all shares begin empty again."""
        oldest = next((one for one in self._buckets.values() if not one.hand.waiting), None)
        if oldest is not None:
            del self._buckets[oldest.key]
            self._dropped = self._clock()

    def _lease(self) -> str:
        return f"{self._holder}.{next(self._leases)}"

    def _void(self) -> None:
        for bucket in self._buckets.values():
            bucket.hand.void(self._lease())

    def _lost(self) -> None:
        self.reach.lost(self._clock(), others=self._parts() != 1)
        self._look.set()

    def _ask(self, bucket: _Bucket, cost: int) -> asyncio.Task[None]:
        """Begin a trip to the store beside the calls, unless one is under way."""
        if bucket.trip is None:
            bucket.trip = asyncio.create_task(self._trip(bucket, cost))
            bucket.trip.add_done_callback(lambda trip: self._back(bucket, trip))
        return bucket.trip

    async def _watch(self, bucket: _Bucket, cost: int) -> None:
        """Wait for the trip that is under way, or for one that begins now."""
        await self._together(bucket, partial(self._watched, self._ask(bucket, cost)))

    async def _together(self, bucket: _Bucket, watch: Callable[[], Coroutine[None, None, None]]) -> None:
        """Wait with whoever waits already, or else as `watch` does: one for all calls of a bucket."""
        if bucket.watch is None or bucket.watch.done():
            bucket.watch = asyncio.create_task(watch(), context=Context())  # else it holds this call until the next one
        await asyncio.wait((bucket.watch,))

    async def _rested(self, wait: float) -> None:
        await self._sleep(max(wait, TICK))

    def _back(self, bucket: _Bucket, trip: asyncio.Task[None]) -> None:
        bucket.trip = None
        if bucket.watch:
            bucket.watch.cancel()  # whoever rests has what it waits for, or looks again
            bucket.watch = None  # it keeps where it was cancelled, so the trip, so the call that the trip began with
        if not trip.cancelled() and trip.exception():
            log.error("a trip for tokens failed", exc_info=trip.exception())

    async def _trip(self, bucket: _Bucket, cost: int) -> None:
        """Ask for tokens, and again where the store began anew meanwhile."""
        hand = bucket.hand
        for _ in range(ROUNDS):
            asked = self._clock()
            ask, mark, known = hand.question(cost, asked), self.reach.mark(asked), self.reach.since
            bucket.counts.redis_trips += 1
            try:
                memory, given = await self._store.lease(self._holder, known, mark, (bucket.name, ask))
            except StoreUnavailable:
                hand.tear(self._lease())
                self._lost()
                return
            if self._heard(memory, mark, asked) and memory.since == known and not given.stale:
                bucket.counts.leases += given.tokens > 0
                hand.answer(ask, given, asked, self._clock())
                return
            hand.tear(self._lease())
            if self.reach.alone(self._clock()):
                return

    def _heard(self, memory: Memory, mark: int, asked: float) -> bool:
        return self.reach.heard(memory, mark, asked, self._clock())

    async def _meet(self) -> None:
        """See whether the store is there, and what it remembers; again where an answer came too late."""
        for _ in range(ROUNDS):
            asked = self._clock()
            mark = self.reach.mark(asked)
            try:
                async with asyncio.timeout(PROBE_PATIENCE if self.reach.away() else None):
                    memory = await self._store.meet(self._holder, self.reach.since, mark)
            except (StoreUnavailable, TimeoutError):
                self._lost()
                self._look.clear()  # who looks needs no reminder
                return
            if self._heard(memory, mark, asked):
                return

    async def _watched(self, trip: asyncio.Task[None]) -> None:
        """Wait until a trip is over, or the store counts as away; one for all calls that wait for it."""
        punctual = 0
        for _ in range(MOST_TICKS):
            before = self._clock()
            done, _ = await asyncio.wait((trip,), timeout=TICK)
            if done:
                return
            punctual = punctual + 1 if self._clock() - before < 2 * TICK else 0
            if punctual == PATIENCE:
                break
        self._lost()


@asynccontextmanager
async def limiting(
    buckets: Buckets, holder: str, peers: Callable[[], int], clock: Callable[[], float] = monotonic
) -> AsyncIterator[Limiter]:
    """A limiter until the block ends; `peers` tells how many processes limit the same buckets, 0 where nobody knows.

    `holder` is this process's own name, used by no other, nor by the same program after a restart.
    """
    limiter = Limiter(buckets, holder, peers, clock)
    await limiter.begin()
    try:
        async with background(limiter.keep, limiter.sweep):
            yield limiter
    finally:
        await limiter.end()
