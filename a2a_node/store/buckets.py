"""Buckets of tokens in Redis: one script does all that happens to one, so that no two askers ever get the same token.

Each key has a hash tag of its own. Every question for tokens travels with one for the memory of the store, in one trip,
so that whoever asks hears at once when the store has lost what it knew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import cast

from a2a_node.model.limits import Ask, Given, Level, Memory, Rate
from a2a_node.store.redis import Argument, Redis, ScriptCall, script

LIMIT = script("limit")
MICROSECONDS = 1_000_000
GAP = 0.75  # seconds from when the first who limited alone is back until buckets begin anew
LOSS = 1.75  # the same after a loss, in which every lease of before ends


class RedisBuckets:
    """The port `Buckets` on Redis; the buckets of a `group` are kept apart from all others."""

    def __init__(self, redis: Redis, group: str = "mesh") -> None:
        self._redis = redis
        self._group = group
        self._memory = [f"a2a:limits:{{{_digest(group)}}}"]

    async def meet(self, holder: str, known: int, mark: int) -> Memory:
        """Say that a holder is there, and what it knows; what the store remembers."""
        return _memory(await self._redis.run(LIMIT, self._memory, *_meeting(holder, known, mark)))

    async def lease(self, holder: str, known: int, mark: int, asked: tuple[str, Ask]) -> tuple[Memory, Given]:
        """Ask for tokens of a bucket, and meet, in one trip."""
        meeting: ScriptCall = (LIMIT, self._memory, _meeting(holder, known, mark))
        memory, given = await self._redis.run_all([meeting, self._leasing(known, asked)])
        stale, tokens, wait, early = cast("list[int]", given)
        return _memory(memory), Given(int(tokens), int(wait) / MICROSECONDS, stale == 1, int(early) / MICROSECONDS)

    async def give_back(self, holder: str, known: int, asks: Sequence[tuple[str, Ask]]) -> None:
        """Settle all leases of a holder, and forget that it was there."""
        await self._redis.run_all(
            [*(self._leasing(known, asked) for asked in asks), (LIMIT, self._memory, ("leave", holder))]
        )

    async def look(self, bucket: str, rate: Rate, known: int) -> Level:
        """How a bucket stands."""
        found = await self._redis.run(LIMIT, [self._key(bucket)], "look", "", known, rate.burst, rate.rate)
        available, leased = cast("list[bytes]", found)
        return Level(float(available), float(leased))

    def _leasing(self, known: int, asked: tuple[str, Ask]) -> ScriptCall:
        bucket, ask = asked
        tokens, ttl = (ask.want, ask.need, ask.least, ask.used, ask.held), round(ask.ttl * MICROSECONDS)
        numbers = (ask.rate.burst, ask.rate.rate, *tokens, ttl, ask.debt, int(ask.outright))
        return LIMIT, [self._key(bucket)], ("lease", ask.holder, known, *numbers)

    def _key(self, bucket: str) -> str:
        return f"a2a:limit:{{{_digest(f'{self._group} {bucket}')}}}"


def _meeting(holder: str, known: int, mark: int) -> Sequence[Argument]:
    return "meet", holder, known, mark, round(GAP * MICROSECONDS), round(LOSS * MICROSECONDS)


def _memory(answer: object) -> Memory:
    now, since, holders = cast("list[int]", answer)
    return Memory(int(now), int(since), int(holders))


def _digest(name: str) -> str:
    """Names may hold braces, and be long: a digest is a tag that no name can break out of."""
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
