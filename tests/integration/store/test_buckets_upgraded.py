"""Buckets that an older node asks for, too, which does not tell what was spent."""

from __future__ import annotations

from typing import cast

from a2a_node.model.limits import Ask, Rate
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.redis import connected

ASK = Ask("h", Rate(0.01, 10), want=4, need=4, least=1, used=0, held=0, ttl=10.0)
HIGH = Rate(0.01, 100)


async def test_a_bucket_of_an_older_node_holds_no_more_under_a_higher_limit(redis_url: str) -> None:
    """What it gave since is not known: rather too little than too much."""
    async with connected(redis_url) as redis:
        buckets = RedisBuckets(redis)
        await buckets.lease("h", 0, 0, ("b", ASK))
        assert int((await buckets.look("b", HIGH, 0)).available) == 96
        (key,) = cast("list[bytes]", await redis.ask("KEYS", "a2a:limit:*"))
        await redis.ask("HINCRBY", key, "at", 1)  # as it writes
        assert int((await buckets.look("b", HIGH, 0)).available) == 6
