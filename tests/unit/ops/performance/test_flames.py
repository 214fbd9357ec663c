"""Stacks become a drawing, whatever their names are."""

from __future__ import annotations

import threading
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.ops.performance import flames
from a2a_node.ops.performance.sampling import profiled

STACKS = st.dictionaries(
    st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=6).map(tuple), st.integers(1, 1_000), max_size=30
)
BOX = "{http://www.w3.org/2000/svg}g"


def test_a_profile_is_read_and_drawn() -> None:
    """A box for each function in each place, as wide as its share."""
    stacks = flames.read("main;work 3\nmain;work;add 1\nmain;rest 4\nno count\n")
    assert stacks == {("main", "work"): 3, ("main", "work", "add"): 1, ("main", "rest"): 4}
    drawing = ET.fromstring(flames.drawn(stacks, "a title"))  # noqa: S314 - just drawn
    titles = [box[0].text for box in drawing.iter(BOX)]
    assert titles == [
        "all: 8 samples, 100.0%",
        "main: 8 samples, 100.0%",
        "rest: 4 samples, 50.0%",
        "work: 4 samples, 50.0%",
        "add: 1 samples, 12.5%",
    ]
    assert flames.hottest(stacks, 2) == [("rest", 0.5, 0.5), ("work", 0.375, 0.5)]


@given(STACKS)
def test_whatever_functions_are_called_it_is_a_drawing(stacks: dict[tuple[str, ...], int]) -> None:
    """Markup and control characters in names stay text; each row fits within the one below."""
    drawing = ET.fromstring(flames.drawn(stacks, "<&>"))  # noqa: S314 - just drawn
    widths = [float(box[1].attrib["width"]) for box in drawing.iter(BOX)]
    assert all(0 < width <= 1200.05 for width in widths)


@given(STACKS)
def test_no_sample_is_lost_or_doubled(stacks: dict[tuple[str, ...], int]) -> None:
    """From the stacks to the tree."""
    root = flames.tree(stacks)
    assert root.samples == sum(stacks.values())

    def own(frame: flames.Frame) -> int:
        return frame.own + sum(map(own, frame.below.values()))

    assert own(root) == root.samples


def test_an_empty_profile_is_drawn_too() -> None:
    """A process that only waits."""
    assert "<svg" in flames.drawn({}, "idle")
    assert flames.hottest({}, 5) == []


def test_threads_that_work_are_seen_and_those_that_wait_are_not() -> None:
    """By the processor time of each."""
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=busy, name="busy"), threading.Thread(target=over.wait, name="waiting")]
    for thread in threads:
        thread.start()
    try:
        stacks = profiled(0.5, 100, threading.Event())
    finally:
        over.set()
        for thread in threads:
            thread.join()
    names = {stack[0] for stack in stacks}
    assert "busy" in names
    assert "waiting" not in names
    assert any("busy" in frame for stack in stacks for frame in stack[1:])
