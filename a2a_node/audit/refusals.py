"""Refusals, so that nobody fills the audit by being refused: equal ones are one event, and how often.

The first of a kind is recorded at once. Those that follow within a window are counted, and recorded as one event at its
end: so at most two events for each kind and window. A kind is the caller's address and principal, the reason and what
was asked; beyond a thousand kinds in a window, those with the same reason are one kind, whoever they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TypeAlias

from a2a_node.model.audit import Fact
from a2a_node.model.names import fresh_uuid

WINDOW = 10.0  # seconds
MOST = 1000  # kinds in a window
MANY = "rpc:refused"  # what is asked by those that are too many to be told apart
Kind: TypeAlias = tuple[str, str, str, str]  # address, principal, reason, action


@dataclass(slots=True)
class _Window:
    """The first of a kind, and how many followed."""

    first: Fact
    begun: float
    more: int = 0
    last: datetime | None = None


class Refusals:
    """Tells `put` what is worth an event."""

    def __init__(
        self,
        put: Callable[[Fact], None],
        clock: Callable[[], float] = monotonic,
        window: float = WINDOW,
        most: int = MOST,
    ) -> None:
        self.coalesced = 0  # refusals that are part of another one's event
        self._put, self._clock, self._window, self._most = put, clock, window, most
        self._windows: dict[Kind, _Window] = {}  # the oldest first

    def refused(self, kind: Kind, fact: Callable[[], Fact]) -> None:
        """Take in a refusal; the fact is made only where it is the first of its kind."""
        window = self._windows.get(kind)
        if window is None and len(self._windows) >= self._most:
            kind, fact = ("", "", kind[2], MANY), _nameless(fact)
            window = self._windows.get(kind)
        if window is not None:
            self.coalesced += 1
            window.more, window.last = window.more + 1, datetime.now(UTC)
            return
        first = fact()
        self._windows[kind] = _Window(first, self._clock())
        self._put(first)

    def sweep(self, *, all_of_them: bool = False) -> None:
        """Record what was counted in windows that are over."""
        over = self._clock() - self._window
        while self._windows:
            kind, window = next(iter(self._windows.items()))
            if window.begun > over and not all_of_them:
                return
            del self._windows[kind]
            if window.more:
                self._put(_counted(window, self._window))

    async def sweeping(self) -> None:
        """Sweep for as long as nobody cancels it, then once more, whether or not windows are over."""
        try:
            while True:
                await asyncio.sleep(self._window / 10)
                self.sweep()
        finally:
            self.sweep(all_of_them=True)


def _counted(window: _Window, seconds: float) -> Fact:
    """The event of those that followed; what was of the first one alone is left out."""
    return replace(
        window.first,
        id=fresh_uuid(),
        timestamp=window.last or window.first.timestamp,
        target="",
        trace_id="",
        call_id="",
        call_path=(),
        metadata={"refusals": window.more, "within_seconds": int(seconds)},
    )


def _nameless(fact: Callable[[], Fact]) -> Callable[[], Fact]:
    def made() -> Fact:
        known = fact()
        return Fact(MANY, known.decision, known.outcome, known.reason)

    return made
