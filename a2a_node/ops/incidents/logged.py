"""Whether the node's log tells of more errors than before: by agent, in the lines that are kept of it.

As with metrics, more errors count when they are both unlikely by chance and many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from a2a_node.model.ops_ports import LogLine
from a2a_node.ops.incidents.grouping import messages
from a2a_node.ops.incidents.robust import denser
from a2a_node.ops.incidents.words import Deviation, Severity

ERRORS = ("error", "critical")  # levels
UNLIKELY = 0.001  # by chance
LEAST, LEAST_WITHOUT_BASELINE = 5, 20  # lines of an agent
MORE_OFTEN = 2.0  # times the baseline's frequency
LONGEST = 1_200.0  # seconds of baseline, as long as readings are kept


@dataclass(frozen=True, slots=True)
class Heard:
    """The lines of the log, complete from a moment on, and the window of them that is looked at."""

    lines: Sequence[LogLine]
    complete_from: float
    since: float
    until: float

    @property
    def window(self) -> float:
        """Seconds of the window of which lines are known."""
        return self.until - max(self.since, self.complete_from)

    @property
    def before(self) -> float:
        """Seconds before the window of which lines are known; 0 for none."""
        return max(0.0, min(LONGEST, self.since - self.complete_from))

    @property
    def known(self) -> bool:
        """Whether enough is known of before to compare with."""
        return self.before >= self.window > 0


def deviations(heard: Heard) -> Iterator[Deviation]:
    """The agents, and the node itself under an empty name, of which the log tells more errors than before."""
    errors = [line for line in heard.lines if line.level in ERRORS]
    now = [line for line in errors if heard.since < line.at <= heard.until]
    usual = Counter(_whose(line) for line in errors if heard.since - heard.before <= line.at <= heard.since)
    for agent, hits in sorted(Counter(map(_whose, now)).items()):
        if _left(heard, hits, usual[agent]):
            said = messages(line for line in now if _whose(line) == agent)[0]
            yield _deviation(heard, agent, (hits, usual[agent]), f"most often: {said.what} ({said.count})")


def _whose(line: LogLine) -> str:
    return line.about.get("agent", "")


def _left(heard: Heard, hits: int, hits_before: int) -> bool:
    """Whether so many lines have left the baseline; where too little is known of before, only many have."""
    if not heard.known:
        return hits >= LEAST_WITHOUT_BASELINE
    often = hits * heard.before >= MORE_OFTEN * hits_before * heard.window
    return hits >= LEAST and often and denser(hits, heard.window, hits_before, heard.before) < UNLIKELY


def _deviation(heard: Heard, agent: str, hits: tuple[int, int], said: str) -> Deviation:
    now, before = hits
    each = _a_minute(now, heard.window)
    against = f"against {before} in the {heard.before:.0f} s before" if heard.known else "too little to compare with"
    return Deviation(
        kind="log_errors",
        agent=agent,
        value=each,
        baseline=_a_minute(before, heard.before),
        severity=_severity(each),
        why=f"{now} errors in the log in {heard.window:.0f} s, {against}; {said}",
    )


def _a_minute(lines: int, seconds: float) -> float:
    return round(60 * lines / max(1.0, seconds), 3)


def _severity(each_minute: float) -> Severity:
    """How bad so many errors a minute are; never critical, for what matters to callers is told by their calls."""
    for least, severity in ((60, Severity.HIGH), (10, Severity.MEDIUM)):
        if each_minute >= least:
            return severity
    return Severity.LOW
