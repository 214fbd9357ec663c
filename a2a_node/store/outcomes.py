"""Outcomes in Redis, under a key that one worker at a time may claim.

A claim lives for a lease, which its worker renews. The worker's own clock ends the lease before Redis does, because it
starts to count before it asks: so an exclusive worker is stopped before another one can win.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast
from uuid import uuid4

import structlog

from a2a_node.model.errors import DeadlineExceeded, IdempotencyKeyReused, StoreUnavailable
from a2a_node.model.state import Outcome
from a2a_node.store.background import beside
from a2a_node.store.encoding import Fields, error_of, error_text, milliseconds, pairs, payload_fields, payload_of
from a2a_node.store.redis import Redis, script
from a2a_node.store.wakeups import Wakeups

CLAIM = script("outcome_claim")
RENEW = script("outcome_renew")
END = script("outcome_end")

LEASE = 30.0  # seconds
STOPPING = 0.9  # of the lease: the rest is for the worker to stop in

log = structlog.get_logger()


class _Reused(Exception):
    """The key is kept with another digest."""


class _Claim:
    """The port `Claim`: a worker's right, or the outcome of another's work."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.name = name
        self.outcome: Outcome | None = None
        self.open = True
        self.fence = asyncio.timeout(None)  # stops an exclusive worker whose lease ends
        self._redis = redis
        self._worker = uuid4().hex

    async def ask(self, digest: str, lease: float) -> float:
        """Ask for the right: 0 when it is ours or an outcome is there, or for how many seconds it is another's."""
        answer = await self._redis.run(CLAIM, [self.name], self._worker, digest, milliseconds(lease))
        said, *more = cast("Sequence[object]", answer)
        if said == b"reused":
            raise _Reused
        if said == b"kept":
            self.outcome = _outcome(pairs(more[0]))
        return (cast("int", more[0]) + 1) / 1000 if said == b"busy" else 0.0

    async def renew(self, lease: float) -> bool:
        """Let the right live on for so many seconds; False when it has ended."""
        return bool(await self._redis.run(RENEW, [self.name], self._worker, milliseconds(lease)))

    async def settle(self, outcome: Outcome, ttl: float) -> None:
        """Keep the outcome for `ttl` seconds and wake whoever waits; StoreUnavailable when the claim has ended."""
        self.open = False  # whatever becomes of this: the work is done and must not be given to another
        self.stop_at(None)
        if not await self._redis.run(END, [self.name], self._worker, milliseconds(ttl), *_fields(outcome)):
            log.warning("an outcome came after its claim had ended, and is not kept", key=self.name)
            raise StoreUnavailable("redis")

    def stop_at(self, end: float | None) -> None:
        """Stop the worker at that time of the loop's clock, or never; one that is not exclusive is left alone."""
        if self.fence.when() is not None and not self.fence.expired():
            self.fence.reschedule(end)

    async def release(self) -> None:
        """Give the right back without an outcome."""
        self.open = False
        with suppress(StoreUnavailable):  # then the lease ends it
            await self._redis.run(END, [self.name], self._worker, 0)


class RedisOutcomes:
    """The port `Outcomes` on Redis."""

    def __init__(self, redis: Redis, wakeups: Wakeups, *, lease: float = LEASE) -> None:
        self._redis = redis
        self._wakeups = wakeups
        self._lease = lease

    @asynccontextmanager
    async def claim(self, key: str, digest: str, wait: float, *, exclusive: bool = True) -> AsyncIterator[_Claim]:
        """Win the right to work, or wait up to `wait` seconds for the outcome of who has it."""
        claim = _Claim(self._redis, f"a2a:outcome:{key}")
        try:
            won = await self._won(claim, digest, wait)
        except asyncio.CancelledError:
            await claim.release()  # which may have been won without our hearing of it
            raise
        except _Reused:
            raise IdempotencyKeyReused(key) from None
        if won is None:
            yield claim
            return
        async with self._held(claim, won if exclusive else None):
            yield claim

    async def _won(self, claim: _Claim, digest: str, wait: float) -> float | None:
        """Since when by our clock the right is ours, or None when an outcome is there; DeadlineExceeded."""
        now = asyncio.get_running_loop().time
        asked, end = now(), now() + wait
        busy = await claim.ask(digest, self._lease)
        if busy:
            async with self._wakeups.of(claim.name) as wakeup:
                while busy := await claim.ask(digest, self._lease):
                    if now() >= end:
                        raise DeadlineExceeded(wait)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(busy, end - now())):
                            await wakeup.wait()
                    asked = now()
        return asked if claim.outcome is None else None

    @asynccontextmanager
    async def _held(self, claim: _Claim, since: float | None) -> AsyncIterator[None]:
        """Renew the claim while the block runs; with a `since`, stop the block with StoreUnavailable if that fails."""
        if since is not None:
            claim.fence = asyncio.timeout_at(since + self._lease * STOPPING)
        try:
            async with claim.fence, beside(self._renewed(claim)):
                try:
                    yield
                finally:
                    if claim.open:
                        await claim.release()
        except TimeoutError:
            if claim.fence.expired():
                raise StoreUnavailable("redis") from None
            raise

    async def _renewed(self, claim: _Claim) -> None:
        clock = asyncio.get_running_loop().time
        while claim.open:
            await asyncio.sleep(self._lease / 3)
            asked = clock()
            with suppress(StoreUnavailable):  # then the fence stands where it stood
                alive = await claim.renew(self._lease)
                claim.stop_at(asked + self._lease * STOPPING if alive else asked)


def _fields(outcome: Outcome) -> Sequence[str | bytes]:
    if outcome.error is not None:
        return "error", error_text(outcome.error)
    return payload_fields(outcome.output) if outcome.output is not None else ()


def _outcome(fields: Fields) -> Outcome:
    if b"error" in fields:
        return Outcome(error=error_of(fields[b"error"]))
    return Outcome(payload_of(fields) if b"kind" in fields else None)
