"""Limits: how fast the buckets of a key may be emptied, and what nodes and the store of buckets tell each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from a2a_node.model.errors import InvalidInput

LEAST_RATE, MOST_RATE = 0.001, 1_000_000.0  # tokens a second
MOST_BURST = 1_000_000
MOST_COST = 1_000_000
MOST_LIMITS = 10_000  # that may be set: every node has all of them in memory, and reads all of them after a change
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)/([smh])(?: burst (\d+))?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a bucket may be emptied: the tokens that it gains a second, and those that it holds."""

    rate: float
    burst: int

    def __str__(self) -> str:
        return f"{self.rate:g}/s burst {self.burst}"


class LimitKey(NamedTuple):
    """Which buckets a limit is for, or which one bucket; an empty part of a limit's key stands for all."""

    principal: str = ""
    agent: str = ""
    capability: str = ""


class LimitSource(StrEnum):
    """Where a limit comes from."""

    DEFAULT = "default"
    CAPABILITY = "capability"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, and the key that it was said for."""

    key: LimitKey
    rate: Rate
    source: LimitSource = LimitSource.SET
    updated_by: str = ""
    updated_at: datetime | None = None


def checked_rate(rate: float, burst: int) -> Rate:
    """The rate itself; InvalidInput names the field when it is out of bounds."""
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise InvalidInput("rate", f"{rate:g} must be from {LEAST_RATE:g} to {MOST_RATE:,.0f} tokens a second")
    if not 1 <= burst <= MOST_BURST:
        raise InvalidInput("burst", f"{burst} must be from 1 to {MOST_BURST:,} tokens")
    return Rate(rate, burst)


def written_rate(place: str, text: str, cost: int = 1) -> Rate:
    """The rate of a text such as '50/s burst 100'; InvalidInput names the place when it is none.

    Without `burst` a bucket holds what the first number says, and one call's cost at least.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise InvalidInput(place, f"{text[:80]!r} must look like '50/s' or '50/s burst 100', per s, m or h")
    count = float(found[1])
    burst = int(found[3]) if found[3] else max(cost, round(count))
    if burst < cost:
        raise InvalidInput(place, f"{text[:80]!r} never holds the {cost} tokens that one call costs")
    try:
        return checked_rate(count / _SECONDS[found[2]], burst)
    except InvalidInput as error:
        raise InvalidInput(place, f"{text[:80]!r}: {error.message}") from None


@dataclass(frozen=True, slots=True)
class Memory:
    """What the store of buckets knows of itself and of those who hold leases; moments by its clock, in microseconds."""

    now: int
    since: int  # every bucket began empty at that moment; 0 where nothing was ever lost
    holders: int  # who has been heard lately, the asker among them


@dataclass(frozen=True, slots=True)
class Ask:
    """A holder's question for tokens of one bucket, with its account of those that it has."""

    holder: str
    rate: Rate
    want: int  # how many it would like
    need: int  # how many of them calls wait for
    least: int  # with fewer than these it can let none of them through
    used: int  # of its lease, since it asked last
    held: int  # of its lease, still in hand; what is neither used nor held goes back
    ttl: float  # seconds that the lease holds by the store's clock
    debt: int = 0  # taken without a lease while the store was away, by a holder that knew itself alone
    outright: bool = False  # those that calls wait for are used when they are given, and on no lease


@dataclass(frozen=True, slots=True)
class Given:
    """What the store answers: tokens, how long until there are more, and whether to ask anew."""

    tokens: int
    wait: float = 0.0  # seconds until there is another one, or where none were given as many as are needed
    stale: bool = False  # the store has lost its memory since the asker heard of it
    early: float = 0.0  # seconds, of which the asker lets so many go by before it uses the tokens


@dataclass(frozen=True, slots=True)
class Level:
    """How a bucket stands in the store."""

    available: float
    leased: float
