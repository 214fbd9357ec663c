"""How fast each address asks: token buckets of this node, of which those that are full again are forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

MOST = 10_000  # addresses that are remembered, by each rule


class Rate:
    """So many requests a second and address, and so many at once."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = monotonic, most: int = MOST) -> None:
        self._rate, self._burst, self._clock, self._most = rate, float(burst), clock, most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens and when; the latest last

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._buckets)

    def wait(self, address: str) -> float:
        """Take one token: 0.0, or the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        short = max(0.0, 1.0 - tokens)
        self._buckets[address] = tokens if short else tokens - 1.0, now
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return short / self._rate
