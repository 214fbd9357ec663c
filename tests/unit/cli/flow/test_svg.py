"""Graphs as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

from hypothesis import given, settings

from a2a_node.cli.flow.boxes import boxes
from a2a_node.cli.flow.lettering import clipped, width_of
from a2a_node.cli.flow.svg import picture
from a2a_node.model.runs import StepStatus
from tests.unit.cli.flow.graphs import drawn, graphs
from tests.unit.workflows.samples import RELEASE, read

SVG = "{http://www.w3.org/2000/svg}"


def rectangles(svg: str) -> Sequence[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each box; the page's are first."""
    found = [one.attrib for one in ET.fromstring(svg).iter(f"{SVG}rect") if one.get("class") in {"box", "page"}]  # noqa: S314
    places = [[float(one.get(name, 0)) for name in ("x", "y", "width", "height")] for one in found]
    return [(x, y, x + wide, y + high) for x, y, wide, high in places]


def test_a_picture_names_every_step_and_says_more_on_pointing_at_it() -> None:
    """In a well-formed document, whatever the texts are."""
    svg = picture([replace(box, does="<&> tagged") for box in boxes(read(RELEASE))], "release & <more>", "six steps")
    texts = [one.text or "" for one in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314
    assert {"release & <more>", "six steps", "fetch", "lint", "build", "gate", "ship", "unship"} <= {*texts}
    titles = [one.text or "" for one in ET.fromstring(svg).iter(f"{SVG}title")]  # noqa: S314
    assert "lint\n<&> tagged\nfor each of inputs.files\non failure: continue" in titles
    assert svg.count('class="line undo"') == 1


def test_a_step_of_a_run_wears_its_status() -> None:
    """As a class that the style gives a colour."""
    svg = picture(
        [replace(box, status=StepStatus.FAILED, notes=("failed", "2.00 s")) for box in drawn({"a": []})], "", ""
    )
    assert '<g class="step failed">' in svg
    assert "failed · 2.00 s</text>" in svg


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_boxes_lie_apart_on_the_page(needs: Mapping[str, Sequence[str]]) -> None:
    """Whichever way the layers go."""
    page, *found = rectangles(picture(drawn(needs), "t", ""))
    assert len(found) == len(needs)
    for left, top, right, bottom in found:
        assert 0 < left < right < page[2]
        assert 0 < top < bottom < page[3]
    for one, other in combinations(found, 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def test_a_hundred_steps_in_a_row_go_down_the_page() -> None:
    """So that it is scrolled, and not lost on one side; side by side they do as well."""
    chain: Mapping[str, Sequence[str]] = {f"s{number}": [f"s{number - 1}"] if number else [] for number in range(100)}
    apart: Mapping[str, Sequence[str]] = {name: [] for name in chain}
    for needs in (chain, apart):
        wide, high = rectangles(picture(drawn(needs), "t", ""))[0][2:]
        assert wide < 1_000 < high


def test_a_text_is_cut_where_its_box_ends() -> None:
    """With a sign that it goes on."""
    assert clipped("short", 12, 100) == "short"
    cut = clipped("a very long capability of an agent", 12, 100)
    assert cut.startswith("a very") and cut.endswith("…")  # noqa: PT018 - one fact
    assert width_of(cut, 12) <= 100
    assert width_of("漢字", 12) > width_of("ab", 12) > width_of("il", 12)
