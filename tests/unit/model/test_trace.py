"""W3C trace context, read and written."""

from __future__ import annotations

import pytest

from a2a_node.model.trace import Trace, to_trace

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_what_is_written_is_read_again() -> None:
    """With all its parts, leading zeros included."""
    trace = to_trace(SAMPLED)
    assert trace == Trace(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, sampled=True)
    assert str(trace) == SAMPLED
    assert str(Trace(1, 2, sampled=False)) == f"00-{1:032x}-{2:016x}-00"


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """More may follow in it, but not in the first version."""
    assert to_trace(f"01{SAMPLED[2:]}-more") == to_trace(SAMPLED)
    assert to_trace(f"{SAMPLED}-more") is None


@pytest.mark.parametrize(
    "said",
    [
        "",
        "garbage",
        SAMPLED.upper(),
        SAMPLED[:-1],
        f"ff{SAMPLED[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        "x" * 100_000,
    ],
)
def test_anything_else_says_nothing(said: str) -> None:
    """A trace begins anew."""
    assert to_trace(said) is None
