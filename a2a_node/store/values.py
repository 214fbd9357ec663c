"""Cached values in Redis: one hash for each, under its namespace and key."""

from __future__ import annotations

from typing import cast

from a2a_node.model.errors import StoreUnavailable, ValueNotNumber
from a2a_node.model.state import CachedValue, Counter
from a2a_node.store.encoding import milliseconds, payload_fields, payload_of
from a2a_node.store.redis import Redis, script

PUT = script("value_put")
INCREMENT = script("value_increment")


class RedisValues:
    """The port `Values` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, namespace: str, key: str) -> CachedValue | None:
        """The value, or None when there is none or Redis is away."""
        name = _name(namespace, key)
        try:
            kept, left = await self._redis.ask_all([("HGETALL", name), ("PTTL", name)], atomically=True)
        except StoreUnavailable:
            return None
        fields = cast("dict[bytes, bytes]", kept)
        return CachedValue(payload_of(fields), cast("int", left) / 1000) if fields else None

    async def put(self, namespace: str, key: str, value: CachedValue, *, only_if_absent: bool = False) -> bool:
        """Keep a value for its ttl; False when one was there and `only_if_absent` is set."""
        arguments = (milliseconds(value.ttl), int(only_if_absent), *payload_fields(value.payload))
        return bool(await self._redis.run(PUT, [_name(namespace, key)], *arguments))

    async def delete(self, namespace: str, key: str) -> bool:
        """Forget a value; False when there was none."""
        return bool(await self._redis.ask("DEL", _name(namespace, key)))

    async def increment(self, namespace: str, key: str, delta: int, ttl: float) -> Counter:
        """Add to a whole number of 64 bits; an absent one starts at 0 with that ttl. ValueNotNumber."""
        answer = await self._redis.run(INCREMENT, [_name(namespace, key)], delta, milliseconds(ttl))
        if answer is None:
            raise ValueNotNumber(key)
        total, left = cast("tuple[bytes, int]", answer)
        return Counter(int(total), left / 1000)


def _name(namespace: str, key: str) -> str:
    return f"a2a:value:{namespace}:{key}"
