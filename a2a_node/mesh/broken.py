"""Links that broke for the node that has dialled them: what it is told of the calls that were on them.

A link that broke for one node may be open for the other one, with the beginnings of calls still on their way. So it is
ended before anything is said of its calls: what has not begun by then never begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from a2a_node.model.principal import Principal

KEPT = 60.0  # seconds that is known what became of a link
MOST = 1000  # links of which it is, the latest
APART = 1000  # numbers that are remembered one by one


class Begun:
    """The numbers of calls that have begun, or may have. They count up, with few gaps, and come nearly in order."""

    __slots__ = ("_latest", "_not")

    def __init__(self) -> None:
        self._latest = 0
        self._not: set[int] = set()  # of those up to the latest one

    def add(self, number: int) -> None:
        """It may begin from now on."""
        if number == self._latest + 1:
            self._latest = number
        elif number > self._latest:
            self._not.update(range(max(self._latest + 1, number - APART), number))
            self._latest = number
            self._bound()
        else:
            self._not.discard(number)

    def drop(self, number: int) -> None:
        """It has not begun, and never does."""
        self._not.add(number)
        self._bound()

    def __contains__(self, number: int) -> bool:
        return number <= self._latest and number not in self._not

    def _bound(self) -> None:
        if len(self._not) > APART:
            self._not.clear()  # then they may have begun, for all that is known


@dataclass(slots=True)
class Remains:
    """What is known of the calls of a link once it is over."""

    node: Principal  # who has dialled it
    begun: Begun = field(default_factory=Begun)
    continued: set[int] = field(default_factory=set)  # those that go on without it

    def told(self, calls: Sequence[int]) -> Told:
        """What becomes of these calls."""
        continued = [number for number in calls if number in self.continued]
        unbegun = [number for number in calls if number not in self.begun and number not in self.continued]
        return Told(frozenset(unbegun), frozenset(continued))


@dataclass(frozen=True, slots=True)
class Told:
    """What becomes of calls on a link that is over, by their numbers; others have ended, or nobody knows."""

    unbegun: frozenset[int] = frozenset()  # nobody has begun to work on them, and nobody will
    continued: frozenset[int] = frozenset()  # the called node goes on with them


class Broken:
    """What remains of the links that ended lately, by their ids."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[float, Remains]] = {}

    def keep(self, link_id: str, remains: Remains) -> None:
        """A link has ended."""
        self._links[link_id] = (monotonic(), remains)
        oldest, (since, _) = next(iter(self._links.items()))
        if len(self._links) > MOST or monotonic() - since > KEPT:
            del self._links[oldest]

    def of(self, link_id: str) -> Remains | None:
        """What remains of a link; None where that is not known any more, or never was."""
        _, remains = self._links.get(link_id, (0.0, None))
        return remains
