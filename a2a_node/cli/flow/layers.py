"""The order of a drawing: boxes in layers, each layer sorted so that few lines cross.

A line that passes layers holds a slot of its own in each, so that it never goes through a box; all lines from one box
share that slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from a2a_node.cli.flow.boxes import Box

SWEEPS = 6  # there and back; more of them change little

Slot = tuple[str, int]  # a box in its layer, or in a later one the line that comes from it


@dataclass(frozen=True, slots=True)
class Layered:
    """Slots by layer in their order, and which slots of the layer before each one hangs from."""

    layers: Sequence[Sequence[Slot]]
    before: Mapping[Slot, Sequence[Slot]]
    after: Mapping[Slot, Sequence[Slot]]
    waves: Mapping[str, int]

    def is_box(self, slot: Slot) -> bool:
        """Whether it is a box, and not a line that passes."""
        name, layer = slot
        return self.waves[name] == layer


def layered(boxes: Sequence[Box]) -> Layered:
    """Boxes in layers by their waves."""
    waves = {box.id: box.wave for box in boxes}
    slots: dict[Slot, list[Slot]] = {(box.id, box.wave): [] for box in boxes}
    for box in boxes:
        for need in box.after:
            slots[box.id, box.wave].append((need, box.wave - 1))
            for layer in range(waves[need] + 1, box.wave):
                slots[need, layer] = [(need, layer - 1)]
    after: dict[Slot, list[Slot]] = {slot: [] for slot in slots}
    for slot, hangs_from in slots.items():
        for other in hangs_from:
            after[other].append(slot)
    layers: list[list[Slot]] = [[] for _ in range(max(waves.values(), default=-1) + 1)]
    for slot in slots:
        layers[slot[1]].append(slot)
    return Layered(_sorted(layers, slots, after), slots, after, waves)


def _sorted(
    layers: Sequence[Sequence[Slot]], before: Mapping[Slot, Sequence[Slot]], after: Mapping[Slot, Sequence[Slot]]
) -> Sequence[Sequence[Slot]]:
    """The layers with the fewest crossings met in some sweeps, each slot near the middle of its neighbours."""
    best, fewest = layers, crossings(layers, before)
    for _ in range(SWEEPS):
        if not fewest:
            break
        layers = _swept(layers, before)
        layers = list(reversed(_swept(list(reversed(layers)), after)))
        if (count := crossings(layers, before)) < fewest:
            best, fewest = layers, count
    return best


def _swept(layers: Iterable[Sequence[Slot]], beside: Mapping[Slot, Sequence[Slot]]) -> Sequence[Sequence[Slot]]:
    place, found = dict[Slot, float](), list[Sequence[Slot]]()
    for layer in layers:
        own = {slot: float(number) for number, slot in enumerate(layer)}
        middle = {slot: fmean(place[other] for other in beside[slot]) if beside[slot] else own[slot] for slot in layer}
        found.append(sorted(layer, key=lambda slot: (middle[slot], own[slot])))
        place = {slot: float(number) for number, slot in enumerate(found[-1])}
    return found


def crossings(layers: Sequence[Sequence[Slot]], before: Mapping[Slot, Sequence[Slot]]) -> int:
    """How many lines cross: inversions among the ends of lines between neighbours, counted by a tree of sums."""
    count = 0
    for upper, lower in pairwise(layers):
        place = {slot: number for number, slot in enumerate(upper)}
        sums, seen = [0] * (len(upper) + 1), 0
        for slot in lower:
            ends = [place[other] for other in before[slot]]
            count += sum(seen - _summed(sums, end + 1) for end in ends)
            for end in ends:
                _counted(sums, end + 1)
            seen += len(ends)
    return count


def _summed(sums: Sequence[int], until: int) -> int:
    total = 0
    while until:
        total += sums[until]
        until &= until - 1
    return total


def _counted(sums: list[int], at: int) -> None:
    while at < len(sums):
        sums[at] += 1
        at += at & -at
