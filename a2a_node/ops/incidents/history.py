"""The node's metrics over time: readings in bounded memory, and what happened between two of them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from a2a_node.model.ops_ports import Meters, Reading, Tally

EVERY = 5.0  # seconds between two readings
MOST = 240  # readings: twenty minutes
NONE = Tally()
Names = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened to one capability between two readings."""

    calls: int
    errors: int  # without those that came too fast
    limited: int
    seconds: float  # of all calls together
    slow: float  # seconds below which 95 of 100 calls stayed, as exactly as the buckets tell

    @property
    def mean(self) -> float:
        """Seconds of a call."""
        return self.seconds / self.calls if self.calls else 0.0


class History:
    """The last readings; whoever looks takes one more at once."""

    def __init__(self, meters: Meters, every: float = EVERY, most: int = MOST) -> None:
        self._meters, self._every = meters, every
        self._readings: deque[Reading] = deque(maxlen=most)

    async def watch(self) -> None:
        """Take a reading now and then, for ever."""
        while True:
            self.take()
            await asyncio.sleep(self._every)

    def take(self) -> Reading:
        """Take a reading now."""
        reading = self._meters.read()
        self._readings.append(reading)
        return reading

    def around(self, moment: float) -> tuple[Sequence[Reading], Sequence[Reading]]:
        """The readings up to a moment, and those from the last of these on, a new one among them."""
        self.take()
        readings = list(self._readings)
        place = bisect_right([reading.at for reading in readings], moment)
        return readings[:place], readings[max(0, place - 1) :]


def between(first: Reading, last: Reading) -> Mapping[Names, Flow]:
    """What happened to each capability that was called between two readings."""
    flows = {names: flow(first.calls.get(names, NONE), tally) for names, tally in last.calls.items()}
    return {names: found for names, found in flows.items() if found.calls}


def flow(before: Tally, after: Tally) -> Flow:
    """What two tallies of one capability differ by; after a restart, the later one whole."""
    if after.ok < before.ok or after.errors < before.errors:
        before = NONE
    limited = int(after.limited - before.limited)
    errors = int(after.errors - before.errors)
    calls = int(after.ok - before.ok) + errors + int(after.cancelled - before.cancelled)
    counts = {bound: count - before.buckets.get(bound, 0) for bound, count in after.buckets.items()}
    return Flow(calls, max(0, errors - limited), limited, after.seconds - before.seconds, quantile(counts, 0.95))


def quantile(counts: Mapping[float, float], share: float) -> float:
    """The seconds below which a share of calls stayed; `counts` are of those up to each bound, infinity included."""
    bounds = sorted(counts)
    wanted = share * counts[bounds[-1]] if bounds else 0.0
    lower = below = 0.0
    for bound in bounds if wanted else ():
        if counts[bound] >= wanted:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (wanted - below) / (counts[bound] - below)
        lower, below = bound, counts[bound]
    return 0.0
