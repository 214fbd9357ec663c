"""Cached values in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from a2a_node.model.errors import StoreUnavailable, ValueNotNumber
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.state import CachedValue, Counter
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence

WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class _Kept:
    """A payload, and until when it is kept."""

    payload: Payload
    until: datetime


class MemoryValues(Presence):
    """The port `Values` on a dictionary. `lose()` makes it behave as if Redis were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("redis")
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def get(self, namespace: str, key: str) -> CachedValue | None:
        """The value, or None when there is none or Redis is away."""
        try:
            kept = self._live(namespace, key)
        except StoreUnavailable:
            return None
        return None if kept is None else CachedValue(kept.payload, self._left(kept))

    async def put(self, namespace: str, key: str, value: CachedValue, *, only_if_absent: bool = False) -> bool:
        """Keep a value for its ttl; False when one was there and `only_if_absent` is set."""
        if self._live(namespace, key) is not None and only_if_absent:
            return False
        self._kept[namespace, key] = _Kept(value.payload, self._clock() + timedelta(seconds=value.ttl))
        return True

    async def delete(self, namespace: str, key: str) -> bool:
        """Forget a value; False when there was none."""
        return self._live(namespace, key) is not None and self._kept.pop((namespace, key), None) is not None

    async def increment(self, namespace: str, key: str, delta: int, ttl: float) -> Counter:
        """Add to a whole number of 64 bits; an absent one starts at 0 with that ttl. ValueNotNumber."""
        kept = self._live(namespace, key) or _Kept(Payload("0", TEXT), self._clock() + timedelta(seconds=ttl))
        body = kept.payload.body
        if not isinstance(body, str) or not WHOLE.fullmatch(body):
            raise ValueNotNumber(key)
        total = int(body) + delta
        if not (LOWEST <= int(body) <= HIGHEST and LOWEST <= total <= HIGHEST):
            raise ValueNotNumber(key)
        kept = _Kept(Payload(str(total), kept.payload.media_type), kept.until)
        self._kept[namespace, key] = kept
        return Counter(total, self._left(kept))

    def _live(self, namespace: str, key: str) -> _Kept | None:
        self.check()
        kept = self._kept.get((namespace, key))
        if kept is not None and kept.until <= self._clock():
            del self._kept[namespace, key]
            return None
        return kept

    def _left(self, kept: _Kept) -> float:
        return (kept.until - self._clock()).total_seconds()
