"""Whether a node has left its baseline: errors, latency and memory by its metrics, and errors by its log.

A deviation counts when it is both unlikely and large: with enough calls, chance alone makes small ones look unlikely,
and with few of them, large ones are nothing unusual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

from a2a_node.model.ops_ports import Reading
from a2a_node.ops.incidents import logged
from a2a_node.ops.incidents.history import Flow, Names, between
from a2a_node.ops.incidents.robust import distance, more_often
from a2a_node.ops.incidents.words import Deviation, Severity

UNLIKELY = 0.001  # by chance
MORE_ERRORS = 0.05  # of the calls, beyond the baseline's share
SHARE_WITHOUT_BASELINE = 0.2  # of the calls that fail, where nothing is known of before
SLOWER, LEAST_DELAY = 2.0, 0.005  # times the baseline's mean, and seconds beyond it
MUCH_SLOWER = 5.0  # times the mean, where the baseline's own variation is not known
FAR, VERY_FAR = 4.0, 6.0  # deviations from the median
INTERVALS = 4  # with fewer, the baseline's own variation is not known
VARIATION = 0.1  # of the median, that is allowed for in any case
MORE_MEMORY, LEAST_MEMORY = 1.2, 50e6  # times the baseline, and bytes beyond it


@dataclass(frozen=True, slots=True)
class Seen:
    """The readings before the moment from which on something may be wrong, those since, and the log."""

    before: Sequence[Reading]
    since: Sequence[Reading]
    least: int = 20  # calls that a capability needs to be judged
    heard: logged.Heard | None = None


def deviations(seen: Seen) -> Sequence[Deviation]:
    """What has left its baseline, the worst first."""
    of_log = logged.deviations(seen.heard) if seen.heard is not None else ()
    found = [*_of_calls(seen), *_of_memory(seen), *of_log]
    return sorted(found, key=lambda one: (-list(Severity).index(one.severity), -one.calls, one.agent, one.capability))


def _of_calls(seen: Seen) -> Iterator[Deviation]:
    if len(seen.since) < 2:  # noqa: PLR2004 - what happened lies between two readings
        return
    whole = between(seen.before[0], seen.before[-1]) if len(seen.before) > 1 else {}
    parts = [between(*pair) for pair in pairwise(seen.before)]
    for names, now in sorted(between(seen.since[0], seen.since[-1]).items()):
        if now.calls >= seen.least:
            before = whole.get(names, Flow(0, 0, 0, 0.0, 0.0))
            yield from _errors(names, now, before, seen.least)
            yield from _latency(names, now, before, _means(names, parts))


def _means(names: Names, parts: Sequence[Mapping[Names, Flow]]) -> Sequence[float]:
    return [part[names].mean for part in parts if names in part]


def _errors(names: Names, now: Flow, before: Flow, least: int) -> Iterator[Deviation]:
    shares: Sequence[tuple[Literal["error_rate", "limited_rate"], int, int]] = (
        ("error_rate", now.errors, before.errors),
        ("limited_rate", now.limited, before.limited),
    )
    for kind, hits, hits_before in shares:
        share, usual = hits / now.calls, hits_before / before.calls if before.calls else 0.0
        known = before.calls >= least
        chance = more_often(hits, now.calls, hits_before, before.calls) if known else 0.0
        if share - usual >= (MORE_ERRORS if known else SHARE_WITHOUT_BASELINE) and chance < UNLIKELY:
            why = f"{hits} of {now.calls} calls, against {hits_before} of {before.calls} before"
            yield Deviation(
                kind=kind,
                agent=names[0],
                capability=names[1],
                value=round(share, 4),
                baseline=round(usual, 4),
                calls=now.calls,
                severity=of_share(share if kind == "error_rate" else share / 2),
                why=why + ("" if known else "; too few to compare with"),
            )


def _latency(names: Names, now: Flow, before: Flow, means: Sequence[float]) -> Iterator[Deviation]:
    if not means or before.calls <= 0:
        return
    usual, known = median(means), len(means) >= INTERVALS
    enough = now.mean - usual >= LEAST_DELAY and now.mean >= (SLOWER if known else MUCH_SLOWER) * usual
    far = distance(now.mean, means, VARIATION * usual or LEAST_DELAY) if known else VERY_FAR
    if enough and far >= FAR:
        times = now.mean / usual if usual else float("inf")
        yield Deviation(
            kind="latency",
            agent=names[0],
            capability=names[1],
            value=round(now.mean, 6),
            baseline=round(usual, 6),
            calls=now.calls,
            severity=Severity.HIGH if times >= 10 else Severity.MEDIUM if times >= 4 else Severity.LOW,  # noqa: PLR2004
            why=f"{times:.1f} times as slow as the median of {len(means)} intervals before; 95 of 100 calls took up "
            f"to {now.slow:.3f} s",
        )


def _of_memory(seen: Seen) -> Iterator[Deviation]:
    sizes = [reading.memory for reading in seen.before if reading.memory]
    now = seen.since[-1].memory if seen.since else 0.0
    if not sizes or not now:
        return
    usual = median(sizes)
    far = distance(now, sizes, 0.02 * usual)
    if now >= MORE_MEMORY * usual and now - usual >= LEAST_MEMORY and far >= VERY_FAR:
        yield Deviation(
            kind="memory",
            value=now,
            baseline=usual,
            severity=Severity.HIGH if now >= 2 * usual else Severity.MEDIUM,
            why=f"the process has {now / 1e6:.0f} MB, {far:.0f} deviations above the median of {len(sizes)} readings",
        )


def of_share(share: float) -> Severity:
    """How bad it is when a share of the calls fails."""
    for least, severity in ((0.5, Severity.CRITICAL), (0.2, Severity.HIGH), (0.05, Severity.MEDIUM)):
        if share >= least:
            return severity
    return Severity.LOW
