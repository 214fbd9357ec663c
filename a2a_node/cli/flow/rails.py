"""The graph of a workflow as text: a line for each step, beside rails that lead from each to those that need it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from a2a_node.cli.flow.boxes import Box
from a2a_node.cli.flow.words import columns, mark

JOINS = {  # the sign where a line across meets a rail: does the rail come from above, go on below, the line left, right
    (True, True, True, False): "┤",
    (True, True, False, True): "├",
    (True, True, True, True): "┼",
    (True, False, True, False): "╯",
    (True, False, False, True): "╰",
    (True, False, True, True): "┴",
    (False, True, True, False): "╮",
    (False, True, False, True): "╭",
    (False, True, True, True): "┬",
}


@dataclass(slots=True)
class Rails:
    """The rails that are open: each leads to the steps that still wait for all that came onto it."""

    open: list[frozenset[str] | None] = field(default_factory=list)

    def free(self) -> int:
        """The first place without a rail."""
        if None not in self.open:
            self.open.append(None)
        return self.open.index(None)

    def across(self, at: int, others: Sequence[int], after: Sequence[frozenset[str] | None], *, above: bool) -> str:
        """A line that joins the rail of a step with others; `after` are the rails as they go on below it."""
        ends = [at, *others]
        left, right = min(ends), max(ends)
        signs = []
        for place in range(max(len(self.open), len(after))):
            was, goes = (rails[place] is not None if place < len(rails) else False for rails in (self.open, after))
            if place in ends:
                shape = (was or (place == at and not above), goes or (place == at and above))
                signs.append(JOINS.get((*shape, place > left, place < right), "│"))
            else:
                signs.append("│" if was else "─" if left < place < right else " ")
            signs.append("─" if left <= place < right else " ")
        return "".join(signs).rstrip()

    def signs(self, at: int, sign: str) -> str:
        """The line of a step: its sign among the rails that pass."""
        found = [sign if place == at else "│" if rail else " " for place, rail in enumerate(self.open)]
        return " ".join(found).rstrip()


def rails(boxes: Sequence[Box]) -> Sequence[str]:
    """The lines of a graph: rails, then each step with what it does and notes."""
    drawn = list(_drawn(boxes))
    wide = max((columns(left) for left, _ in drawn), default=0)
    ids, works = (max((columns(text) for text in texts), default=0) for texts in _texts(boxes))
    lines = []
    for left, box in drawn:
        if box is None:
            lines.append(left)
        else:
            parts = (
                left + " " * (wide - columns(left)),
                box.id.ljust(ids),
                box.does.ljust(works),
                " · ".join(box.notes),
            )
            lines.append("  ".join(parts).rstrip())
    return lines


def _texts(boxes: Sequence[Box]) -> tuple[Sequence[str], Sequence[str]]:
    return [box.id for box in boxes], [box.does for box in boxes]


def _drawn(boxes: Sequence[Box]) -> Iterator[tuple[str, Box | None]]:
    """Rails line by line; those of steps with their boxes."""
    rails, waiting, last = Rails(), _waiting(boxes), -1
    for box in boxes:
        coming = [place for place, rail in enumerate(rails.open) if rail and box.id in rail]
        ending = [place for place in coming if rails.open[place] == frozenset({box.id})]
        at = ending[0] if ending else rails.free()
        after = [rail - {box.id} or None if rail else None for rail in rails.open]
        joined = [place for place in coming if place != at]
        if not coming and at == last:
            yield rails.signs(at, " "), None  # or else it would seem to need the step above it
        last = at
        if joined:
            yield rails.across(at, joined, after, above=True), None
        rails.open = after
        rails.open[at] = None
        sign = mark(box.status) if box.status else "↶" if box.undoes else "○"
        yield rails.signs(at, sign), box
        if leads := waiting[box.id]:
            same = [place for place, rail in enumerate(rails.open) if rail == leads]
            if same:
                yield rails.across(at, same, rails.open, above=False), None
            else:
                rails.open[at] = leads


def _waiting(boxes: Sequence[Box]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {box.id: set() for box in boxes}
    for box in boxes:
        for need in box.after:
            found[need].add(box.id)
    return {name: frozenset(later) for name, later in found.items()}
