"""Schedules: lines of cron with five fields, in UTC."""

from __future__ import annotations

import re

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
PART = re.compile(r"(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


def cron_fault(line: str) -> str:
    """What is wrong with a line, in words; empty when nothing is."""
    texts = line.split()
    if len(texts) != len(FIELDS):
        return f"has {len(texts)} fields, and must have five, such as '0 3 * * 1-5'"
    for (name, least, most), text in zip(FIELDS, texts, strict=True):
        if not all(_fits(part, least, most) for part in text.split(",")):
            return f"says {text[:80]!r} for the {name}, which goes from {least} to {most}"
    return ""


def _fits(part: str, least: int, most: int) -> bool:
    """Whether a part such as `*/5`, `3` or `1-5` names something."""
    found = PART.fullmatch(part)
    if found is None:
        return False
    everything, first, last, step = found.groups()
    if step is not None and (not int(step) or (first is not None and last is None)):
        return False
    return bool(everything) or least <= int(first) <= int(last or first) <= most
