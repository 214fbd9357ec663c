"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"  # works, or may not be needed
    FAIL = "fail"  # has to be mended


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands, what is so, and what to do about it."""

    name: str
    state: State
    message: str
    advice: str = ""


def ok(name: str, message: str) -> Finding:
    """All is well."""
    return Finding(name, State.OK, message)


def warn(name: str, message: str, advice: str) -> Finding:
    """It works, or may not be needed."""
    return Finding(name, State.WARN, message, advice)


def fail(name: str, message: str, advice: str) -> Finding:
    """It has to be mended."""
    return Finding(name, State.FAIL, message, advice)
