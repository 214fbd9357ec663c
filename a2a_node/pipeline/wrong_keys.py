"""Wrong keys, and what becomes of those who send them: their address is slowed down, everybody else is not.

An address may be wrong so many times at once and so often a second. Beyond that, what it sends that is not known to be
good waits a second before it is looked at, and only so many may wait: the rest is turned away unseen. So guessing is
slow, checking signatures takes a bounded share of the node's time, and a key that is good is served as ever, whoever
shares its address.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import unquote

from a2a_node.model.errors import TooManyWrongKeys

NETWORK = 4  # groups of an IPv6 address that one household has


@dataclass(frozen=True, slots=True)
class Manners:
    """How many wrong keys an address may send, and what waits for it then."""

    burst: int = 20
    rate: float = 5.0  # per second
    wait: float = 1.0  # seconds at least
    pace: float = 0.002  # seconds between those that have waited: together they would hold everybody up
    waiting_each: int = 1000  # calls of an address
    waiting: int = 4000  # calls of all addresses, 13 to 22 KiB each, measured
    addresses: int = 10_000  # that are remembered, those that were wrong last


DEFAULT = Manners()


@dataclass(slots=True)
class _Record:
    """What is known of an address: wrong keys that are still held against it, as of `at`, and calls that wait."""

    held: float = 0.0
    at: float = 0.0
    waiting: int = 0
    next: float = 0.0  # when the next one that comes may go on


class WrongKeys:
    """Counts wrong keys by address."""

    def __init__(self, manners: Manners = DEFAULT, clock: Callable[[], float] = monotonic) -> None:
        self._manners, self._clock = manners, clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self.waiting = 0
        self.turned_away = 0

    def count(self, peer: str) -> None:
        """A wrong key came from there."""
        address, now = network(peer), self._clock()
        record = self._records.get(address)
        if record is None:
            record = self._records[address] = _Record(at=now)
            if len(self._records) > self._manners.addresses:
                self._records.popitem(last=False)
        self._records.move_to_end(address)
        record.held, record.at = self._held(record, now) + 1, now

    async def pause(self, peer: str) -> None:
        """Wait, where too many wrong keys came from there; TooManyWrongKeys where too many wait already."""
        if not self._records:
            return
        record, now = self._records.get(network(peer)), self._clock()
        if record is None or self._held(record, now) < self._manners.burst:
            return
        if record.waiting >= self._manners.waiting_each or self.waiting >= self._manners.waiting:
            self.turned_away += 1
            raise TooManyWrongKeys(self._manners.wait)
        record.waiting, self.waiting = record.waiting + 1, self.waiting + 1
        due = max(now + self._manners.wait, record.next)
        record.next = due + self._manners.pace
        try:
            await asyncio.sleep(due - now)
        finally:
            record.waiting, self.waiting = record.waiting - 1, self.waiting - 1

    def __len__(self) -> int:
        return len(self._records)

    def _held(self, record: _Record, now: float) -> float:
        return min(self._manners.burst, max(0.0, record.held - (now - record.at) * self._manners.rate))


def network(peer: str) -> str:
    """The address of a peer such as `ipv4:10.0.0.7:40712`, without its port; of IPv6 the network of one household."""
    kind, _, rest = peer.partition(":")
    if kind == "ipv6":
        host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
        return ":".join(_groups(host)[:NETWORK])
    return rest.rpartition(":")[0] if kind == "ipv4" else kind


def _groups(host: str) -> list[str]:
    """The groups of an IPv6 address, those that `::` leaves out included."""
    left, gap, right = host.partition("::")
    before, after = left.split(":") if left else [], right.split(":") if right else []
    return [*before, *["0"] * (8 - len(before) - len(after)), *after] if gap else before
