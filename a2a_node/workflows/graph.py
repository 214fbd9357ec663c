"""The graph of a template: what comes before what, and whether it goes round in circles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from a2a_node.model.workflows import TemplateStep

Edges = Mapping[str, Sequence[str]]


class Graph:
    """The steps that go by themselves, and what they need; what compensates others is no part of it."""

    def __init__(self, steps: Iterable[TemplateStep]) -> None:
        own = [step for step in steps if not step.compensates]
        names = {step.id for step in own}
        self.needs: Edges = {step.id: [need for need in step.needs if need in names] for step in own}

    @cached_property
    def waves(self) -> Mapping[str, int]:
        """How many steps must be done one after the other before each; those on or after a cycle are left out."""
        waiting = {name: len(needs) for name, needs in self.needs.items()}
        after: dict[str, list[str]] = {name: [] for name in self.needs}
        for name, needs in self.needs.items():
            for need in needs:
                after[need].append(name)
        found = {name: 0 for name, count in waiting.items() if not count}
        ready = list(found)
        for name in ready:  # grows on the way
            for later in after[name]:
                waiting[later] -= 1
                found[later] = max(found.get(later, 0), found[name] + 1)
                if not waiting[later]:
                    ready.append(later)
        return {name: found[name] for name in ready}

    def before(self, name: str) -> frozenset[str]:
        """All that is done before a step begins."""
        found: set[str] = set()
        open_ones = list(self.needs.get(name, ()))
        while open_ones:
            one = open_ones.pop()
            if one not in found:
                found.add(one)
                open_ones.extend(self.needs[one])
        return frozenset(found)

    def cycles(self) -> Sequence[Sequence[str]]:
        """Cycles, each in the order of what needs what, ending where it began; where there is any there is one."""
        return list(cycles_of(self.needs))


def cycles_of(edges: Edges) -> Iterator[Sequence[str]]:
    """Cycles of a graph, found on one walk through it."""
    done: set[str] = set()
    for start in edges:
        way: dict[str, Iterator[str]] = {} if start in done else {start: iter(edges[start])}
        while way:
            name = next(reversed(way))
            following = next(way[name], None)
            if following is None:
                done.add(name)
                del way[name]
            elif following in way:
                path = list(way)
                yield [*path[path.index(following) :], following]
            elif following not in done:
                way[following] = iter(edges.get(following, ()))
