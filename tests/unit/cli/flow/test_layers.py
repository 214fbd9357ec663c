"""Drawings: lines that go down, boxes that do not overlap, and few crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given, settings

from a2a_node.cli.flow.layers import crossings, layered
from a2a_node.cli.flow.places import places
from tests.unit.cli.flow.graphs import drawn, graphs

WIDE, LINE = 100.0, 10.0


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_nothing_overlaps_and_every_line_goes_from_layer_to_layer(needs: Mapping[str, Sequence[str]]) -> None:
    """Whatever the graph; a line that passes a layer has room of its own between the boxes."""
    found = layered(drawn(needs))
    where = places(found, WIDE, LINE)
    room = {slot: WIDE if found.is_box(slot) else LINE for slot in where}
    assert min(where[slot] - room[slot] / 2 for slot in where) >= -0.001
    for layer in found.layers:
        for one, following in pairwise(layer):
            assert where[following] - where[one] >= (room[one] + room[following]) / 2 - 0.001
    for slot, before in found.before.items():
        assert all(layer == slot[1] - 1 for _, layer in before)


def test_what_can_go_without_crossings_does() -> None:
    """Two chains that were told crosswise."""
    found = layered(drawn({"a": [], "b": [], "to_b": ["b"], "to_a": ["a"], "c": ["to_a"], "d": ["to_b"]}))
    assert crossings(found.layers, found.before) == 0
    assert crossings([found.layers[0], list(reversed(found.layers[1]))], found.before) == 1


def test_a_long_line_passes_between_the_boxes_of_a_layer() -> None:
    """It is one line for all steps that it leads to."""
    found = layered(drawn({"a": [], "x": [], "b": ["a"], "c": ["b"], "d": ["x", "c"], "e": ["x", "c"]}))
    assert [slot for layer in found.layers for slot in layer if not found.is_box(slot)] == [("x", 1), ("x", 2)]
    where = places(found, WIDE, LINE)
    assert where["x", 1] == where["x", 2]


def test_needs_that_others_imply_are_not_drawn() -> None:
    """What is left says the same."""
    found = {box.id: box.needs for box in drawn({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["c", "a", "b"]})}
    assert found == {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}


def test_nothing_to_draw_is_drawn() -> None:
    """A run whose template has no steps that go by themselves."""
    assert places(layered([]), WIDE, LINE) == {}
