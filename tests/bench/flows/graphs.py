"""The graphs that all sides run, given as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Needs = Mapping[str, Sequence[str]]  # each step, in an order in which they could go, and what it needs

THREE: Needs = {"a": [], "b": ["a"], "c": ["b"]}
TEN: Needs = {  # three branches of three, three and two steps between a first and a last one
    "start": [],
    **{f"{branch}1": ["start"] for branch in "abc"},
    **{f"{branch}2": [f"{branch}1"] for branch in "abc"},
    **{f"{branch}3": [f"{branch}2"] for branch in "ab"},
    "join": ["a3", "b3", "c2"],
}
GRAPHS: Mapping[int, Needs] = {len(THREE): THREE, len(TEN): TEN}
