"""What the engine of expressions leaves out: the parts of a moment in another zone than UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)")
DAYS_OF_WEEK = 7  # Sunday is 0


@lru_cache(512)  # callers may name zones, too
def zone(name: str) -> tzinfo:
    """The zone of a name such as `Europe/Berlin`, `UTC` or `+02:00`; KeyError for one that is not known here."""
    if name == "UTC":
        return UTC
    if written := OFFSET.fullmatch(name):
        span = timedelta(hours=int(written[2]), minutes=int(written[3]))
        return timezone(-span if written[1] == "-" else span)
    return ZoneInfo(name)


def _part(of: Callable[[datetime], int]) -> Callable[..., int]:
    def part(moment: datetime, name: str = "UTC") -> int:
        return of(moment.astimezone(zone(name)))

    return part


ZONED: Mapping[str, Callable[..., int]] = {
    "getFullYear": _part(lambda moment: moment.year),
    "getMonth": _part(lambda moment: moment.month - 1),
    "getDate": _part(lambda moment: moment.day),
    "getDayOfMonth": _part(lambda moment: moment.day - 1),
    "getDayOfYear": _part(lambda moment: moment.timetuple().tm_yday - 1),
    "getDayOfWeek": _part(lambda moment: moment.isoweekday() % DAYS_OF_WEEK),
    "getHours": _part(lambda moment: moment.hour),
    "getMinutes": _part(lambda moment: moment.minute),
    "getSeconds": _part(lambda moment: moment.second),
}
