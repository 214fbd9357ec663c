"""What came of a load: pure figures of what clients heard and agents did."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from tests.chaos.agents import BURST, RATE

BLOCK = 64  # openings of windows
NOISE = 1e-6  # calls: what sums of floating point may lack
UNDER_WAY, MOST = 0.25, 0.95  # seconds from an agent to a client, or what so many calls without a key take


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered call; times in seconds of the machine's clock."""

    number: str
    execution: str
    copy: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Broken:
    """A stream that ended with an error: the last event that its client heard, and when it ended."""

    number: str
    last: int
    ended: float


@dataclass(slots=True)
class Tally:
    """What clients heard."""

    answers: list[Answer] = field(default_factory=list)  # of calls with a key, in the order of their ends
    plain: list[Answer] = field(default_factory=list)  # of those without
    asked: int = 0  # calls and streams
    lost: int = 0  # calls with a key that never came to an end
    other_outcomes: int = 0  # calls with a key that had another outcome when they were asked again
    events: int = 0
    events_lost: int = 0
    events_doubled: int = 0
    broken: list[Broken] = field(default_factory=list)
    faults: list[float] = field(default_factory=list)  # when each was done
    rationed: dict[str, float] = field(default_factory=dict)  # when each was begun, admitted or not
    reasons: Counter[str] = field(default_factory=Counter)  # of the failures that clients saw

    def recovered(self, since: float) -> float:
        """Milliseconds until calls with a key and calls without had a good answer to what was asked after a time."""
        kinds = (self.answers, self.plain)
        return max(min(one.ended - since for one in kind if one.began >= since) for kind in kinds) * 1000

    def slowest(self) -> float:
        """Milliseconds that a call with a key took at most, with all its tries."""
        return max((one.ended - one.began for one in self.answers), default=0.0) * 1000

    def under_way(self) -> float:
        """Seconds that an event may take from an agent to a client, where calls take as long as these."""
        took = sorted(one.ended - one.began for one in self.plain)
        return max(UNDER_WAY, took[int(MOST * (len(took) - 1))] if took else 0.0)


def event(tally: Tally, number: int, last: int) -> int:
    """Note an event of a stream by its number, after the last one; the number of the last one now."""
    tally.events += 1
    if number <= last:
        tally.events_doubled += 1
        return last
    tally.events_lost += number - last - 1
    return number


def doubled(tally: Tally, ledger: Iterable[Sequence[str]]) -> tuple[int, int]:
    """Calls that counted twice, and calls with a key whose work was begun again before they had an outcome.

    A call without a key counts twice as soon as its work is begun twice. One with a key does when its work is begun
    again although its outcome was told, or when it has two outcomes.
    """
    ended = {answer.number: answer.ended for answer in tally.answers}
    begun: dict[str, list[float]] = {}
    for number, _, at in ledger:
        begun.setdefault(number, []).append(float(at))
    plain = sum(len(times) > 1 for number, times in begun.items() if number.startswith(("plain", "rationed")))
    late = sum(max(times) > ended.get(number, max(times)) for number, times in begun.items())
    again = sum(len(times) > 1 for number, times in begun.items() if number.startswith("keyed"))
    return plain + late + tally.other_outcomes, again


def unheard(tally: Tally, ledger: Iterable[Sequence[str]], *, dies: bool) -> int:
    """Events that an agent gave away and that the client of their stream, which ended with an error, never heard.

    Where the agent or its node `dies`, those before the fault count; what may have been under way may have died, with
    the process that it was in. Else streams go on: one that had begun has lost one at least.
    """
    given: dict[str, list[tuple[int, float]]] = {}
    for number, what, at in ledger:
        if number.startswith("stream"):
            given.setdefault(number, []).append((int(what), float(at)))
    missing, way = 0, tally.under_way()
    for one in tally.broken:
        done = [at for at in tally.faults if at <= one.ended] if dies else []
        until = max(done, default=one.ended) - way
        said = max((what for what, at in given.get(one.number, ()) if at < until), default=0)
        missing += max(said - one.last, 1 if one.last and not dies else 0)
    return missing


def admitted(tally: Tally, ledger: Iterable[Sequence[str]]) -> list[tuple[float, float]]:
    """Rationed calls that were let through, whether or not their answer came: when each was begun, and its work."""
    return [(tally.rationed[number], float(at)) for number, _, at in ledger if number in tally.rationed]


def over_admitted(spans: Sequence[tuple[float, float]], rate: float = RATE, burst: float = BURST) -> int:
    """Calls beyond `burst + rate x time` in the worst window, counting those that lie in it whole.

    Windows begin with a call, and each call in the order of ends counts in those that began before it. They are kept in
    blocks of BLOCK, of which most get one more as a whole: all meshes wait while this is reckoned.
    """
    openings = sorted({began for began, _ in spans})
    counted = [rate * opening for opening in openings]  # and one more for each call
    more = [0] * (len(openings) // BLOCK + 1)  # for all of a block
    most = [max(counted[at : at + BLOCK], default=0.0) for at in range(0, len(openings) + 1, BLOCK)]
    worst = 0.0
    for began, ended in sorted(spans, key=itemgetter(1)):
        after = bisect_right(openings, began)
        block, rest = divmod(after, BLOCK)
        start = after - rest
        for number in range(block):
            more[number] += 1
        counted[start:after] = [one + 1 for one in counted[start:after]]
        most[block] = max(counted[start : start + BLOCK], default=0.0)
        tops = [most[number] + more[number] for number in range(block)]
        tops += [one + more[block] for one in counted[start:after]]
        worst = max(worst, max(tops) - rate * ended - burst)
    return int(worst + NOISE)
