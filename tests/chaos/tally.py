"""What came of a load: pure figures of what clients heard and agents did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.chaos.agents import BURST, RATE


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered call; times in seconds of the machine's clock."""

    number: str
    execution: str
    copy: str
    began: float
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
    rationed: list[tuple[float, float]] = field(default_factory=list)  # admitted: begun and ended
    reasons: Counter[str] = field(default_factory=Counter)  # of the failures that clients saw

    def recovered(self, since: float) -> float:
        """Milliseconds until the first good answer to what was asked after a time."""
        return min((one.ended - since for one in self.answers if one.began >= since), default=0.0) * 1000

    def slowest(self) -> float:
        """Milliseconds that a call with a key took at most, with all its tries."""
        return max((one.ended - one.began for one in self.answers), default=0.0) * 1000


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
    plain = sum(len(times) > 1 for number, times in begun.items() if number.startswith("plain"))
    late = sum(max(times) > ended.get(number, max(times)) for number, times in begun.items())
    again = sum(len(times) > 1 for number, times in begun.items() if number.startswith("keyed"))
    return plain + late + tally.other_outcomes, again


def over_admitted(spans: Sequence[tuple[float, float]], rate: float = RATE, burst: float = BURST) -> int:
    """Calls beyond `burst + rate x time` in the worst window, counting those that lie in it whole."""
    ends = sorted(spans, key=lambda span: span[1])
    worst = 0.0
    for opening in {began for began, _ in spans}:
        count = 0
        for began, ended in ends:
            if began >= opening:
                count += 1
                worst = max(worst, count - burst - rate * (ended - opening))
    return int(worst)
