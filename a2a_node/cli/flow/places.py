"""The places of a drawing: where each slot lies across its layer, so that lines are straight and nothing overlaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from a2a_node.cli.flow.layers import Layered, Slot

SWEEPS = 8
STRAIGHT = 4.0  # how much more a line that passes wants to be straight than a box wants to be in the middle


def places(drawn: Layered, box: float, line: float) -> Mapping[Slot, float]:
    """The middle of each slot across its layer, from 0; boxes need `box` of room, lines that pass `line`."""
    room = {slot: (box if drawn.is_box(slot) else line) for layer in drawn.layers for slot in layer}
    found: dict[Slot, float] = {}
    for layer in drawn.layers:
        found |= _packed(layer, room)
    for number in range(SWEEPS):
        forwards = number % 2 == 0
        beside = drawn.before if forwards else drawn.after
        for layer in drawn.layers if forwards else reversed(drawn.layers):
            wanted = [fmean(found[other] for other in beside[slot]) if beside[slot] else found[slot] for slot in layer]
            weights = [1.0 if drawn.is_box(slot) else STRAIGHT for slot in layer]
            found |= zip(layer, _apart(wanted, weights, _starts(layer, room)), strict=True)
    least = min((found[slot] - room[slot] / 2 for slot in found), default=0.0)
    return {slot: place - least for slot, place in found.items()}


def _packed(layer: Sequence[Slot], room: Mapping[Slot, float]) -> Mapping[Slot, float]:
    """A layer with no room left between, its middle at 0."""
    starts = _starts(layer, room)
    middle = (starts[0] + starts[-1]) / 2
    return {slot: start - middle for slot, start in zip(layer, starts, strict=True)}


def _starts(layer: Sequence[Slot], room: Mapping[Slot, float]) -> Sequence[float]:
    """The middles of a layer's slots when they are packed, the first at 0."""
    found = [0.0]
    for one, following in pairwise(layer):
        found.append(found[-1] + (room[one] + room[following]) / 2)
    return found


def _apart(wanted: Sequence[float], weights: Sequence[float], starts: Sequence[float]) -> Sequence[float]:
    """The places nearest to those wanted, by least squares, that keep the order and at least the packed distances.

    Blocks that would overlap are joined and lie where their weighted mean wants to: isotonic regression.
    """
    blocks: list[tuple[float, float, int]] = []  # where, how heavy, how many
    for want, weight, start in zip(wanted, weights, starts, strict=True):
        block = (want - start, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            where, heavy, many = blocks.pop()
            total = heavy + block[1]
            block = ((where * heavy + block[0] * block[1]) / total, total, many + block[2])
        blocks.append(block)
    flat = [where for where, _, many in blocks for _ in range(many)]
    return [where + start for where, start in zip(flat, starts, strict=True)]
