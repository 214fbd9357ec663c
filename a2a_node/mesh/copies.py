"""What this node knows of each running copy of an agent from the calls that it took there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from a2a_node.mesh.breaker import DEFAULT, Breaker, State, Tolerance
from a2a_node.mesh.scores import Score

FEW = 64  # copies that are kept without a look at who is still there


class Copy:
    """One running copy: how well it answers, and whether it works at all."""

    __slots__ = ("breaker", "score")

    def __init__(self, tolerance: Tolerance) -> None:
        self.score = Score()
        self.breaker = Breaker(tolerance)


class Copies:
    """The copies by the ids of their instances; those that left the registry are dropped as others come.

    There are never more than twice as many as the registry has, or `FEW`.
    """

    def __init__(self, there: Callable[[str], bool], tolerance: Tolerance = DEFAULT) -> None:
        """`there` tells whether the registry still has an instance."""
        self._there = there
        self._tolerance = tolerance
        self._copies: dict[str, Copy] = {}
        self._most = FEW
        self.opened = 0  # how often a breaker opened

    def __len__(self) -> int:
        return len(self._copies)

    def of(self, instance_id: str) -> Copy:
        """What is known of an instance."""
        copy = self._copies.get(instance_id)
        if copy is None:
            if len(self._copies) >= self._most:
                self._copies = {name: known for name, known in self._copies.items() if self._there(name)}
                self._most = max(FEW, 2 * len(self._copies))
            copy = self._copies[instance_id] = Copy(self._tolerance)
        return copy

    def states(self, now: float) -> Mapping[str, float]:
        """How many breakers stand in each state."""
        counted = Counter(copy.breaker.state(now) for copy in self._copies.values())
        return {state.value: counted[state] for state in State}

    def in_flight(self) -> int:
        """How many calls all of them have from here."""
        return sum(copy.score.in_flight for copy in self._copies.values())
