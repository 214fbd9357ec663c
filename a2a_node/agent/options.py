"""What an author may say of a capability beyond its function, and how that is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypedDict

from a2a_node.model.errors import InvalidInput
from a2a_node.model.limits import written_rate

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Options(TypedDict, total=False):
    """Options of `@agent.capability`."""

    name: str  # absent: the function's
    description: str  # absent: the function's docstring
    cache: str  # how long equal input may be answered from the shared cache, for example "60s"; absent: never
    limit: str  # overrides the default rate limit, for example "50/s burst 100"
    idempotent: bool  # running it twice does no harm
    hedging_delay: str  # without an answer until a second instance is asked as well, for example "50ms"; absent: never
    cost: int  # tokens that a call takes from its caller's bucket; absent: 1
    calls: Sequence[str]  # the agents that it calls, so that a loop is refused before any of them works


def seconds(place: str, span: str) -> float:
    """The seconds of "250ms", "60s", "5m", "1h" or "1d", 0 for an empty text; InvalidInput names the place."""
    if not span:
        return 0.0
    found = _SPAN.fullmatch(span)
    if found is None:
        raise InvalidInput(place, f"{span!r} must be a number with a unit: ms, s, m, h or d, for example '60s'")
    return float(found[1]) * _SECONDS[found[2]]


def checked_limit(place: str, limit: str, cost: int) -> str:
    """The limit itself; InvalidInput names the place when its form is wrong, or a bucket never holds a call's cost."""
    if limit:
        written_rate(place, limit, cost)
    return limit
