"""Graphs as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given, settings

from a2a_node.cli.flow.boxes import boxes
from a2a_node.cli.flow.rails import rails
from tests.unit.cli.flow.graphs import drawn, graphs
from tests.unit.workflows.samples import RELEASE, read

PICTURE = """\
○    fetch   calls git.clone                     3 attempts · at most 5 m
├─╮
│ ○  lint    calls lint tagged python            for each of inputs.files · on failure: continue
○ │  build   runs wheel
╰─┤
  ○  gate    waits for workflow:release:approve  if size(inputs.files) > 0 · at most 1 d
  ○  ship    calls deployer                      on failure: compensate
  ↶  unship  calls deployer.undo"""
DOWN, UP = frozenset("│├┤┼╮╭┬"), frozenset("│├┤┼╯╰┴")


def test_a_template_is_a_graph_of_rails() -> None:
    """Forks, joins, what each step does, and what undoes another."""
    assert rails(boxes(read(RELEASE))) == PICTURE.splitlines()


def test_steps_that_need_nothing_do_not_seem_to_need_each_other() -> None:
    """They stand apart, or side by side."""
    assert [line.split("  ")[0] for line in rails(drawn({"a": [], "b": []}))] == ["○", "", "○"]
    assert [line.split("  ")[0] for line in rails(drawn({"a": [], "b": [], "c": ["a", "b"]}))] == [
        "○",
        "│ ○",
        "├─╯",
        "○",
    ]


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_no_rail_ends_in_the_air(needs: Mapping[str, Sequence[str]]) -> None:
    """Whatever leads down meets something below that leads up, or a step; and the other way round."""
    lines = rails(drawn(needs))
    wide = max(len(line) for line in lines)
    for upper, lower in pairwise(lines):
        for one, other in zip(upper.ljust(wide), lower.ljust(wide), strict=True):
            assert one not in DOWN or other in UP or other == "○"
            assert other not in UP or one in DOWN or one == "○"
    assert sum(line.count("○") for line in lines) == len(needs)
