"""Baggage: what callers say about their calls."""

from __future__ import annotations

import pytest

from a2a_node.pipeline.baggage import said


@pytest.mark.parametrize(
    ("header", "members"),
    [
        ("", {}),
        ("project=atlas", {"project": "atlas"}),
        (" project = atlas ;secret , team=a%20b", {"project": "atlas", "team": "a b"}),
        ("nothing", {}),
        ("=value,a=b=c", {"a": "b=c"}),
        ("x=" + "y" * 8192, {}),
    ],
)
def test_members_are_names_and_decoded_values(header: str, members: dict[str, str]) -> None:
    """Properties are left out, and so is what is no member, or too much."""
    assert said({"baggage": header}) == members


def test_only_so_many_members_are_read() -> None:
    """Sixty-four."""
    assert len(said({"baggage": ",".join(f"k{number}=v" for number in range(100))})) == 64
    assert said({}) == {}
