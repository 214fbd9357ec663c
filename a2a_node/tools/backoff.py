"""How long a server that ended waits for its next start, and when it has ended too often."""

from __future__ import annotations

from collections import deque

from a2a_node.model.tools import RestartRules


class Backoff:
    """Counts the failures of one server; times are in seconds, of any clock that only goes on."""

    def __init__(self, rules: RestartRules) -> None:
        self._rules = rules
        self._restarts: deque[float] = deque()
        self._streak = 0

    def failed(self, now: float, lived: float) -> float | None:
        """The seconds until the next start; None when it has been started too often. `lived` is how long it ran."""
        while self._restarts and now - self._restarts[0] > self._rules.window:
            self._restarts.popleft()
        if len(self._restarts) >= self._rules.max_restarts:
            return None
        self._restarts.append(now)
        if lived >= self._rules.max_backoff:
            self._streak = 0  # it stood long enough: what ends it now is something new
        pause: float = min(self._rules.initial_backoff * 2.0 ** min(self._streak, 40), self._rules.max_backoff)
        self._streak += 1
        return pause
