"""What bells tell of a run is taken where it follows on what its reader has; else somebody looks."""

from __future__ import annotations

import orjson
import pytest

from a2a_node.store.run_told import rung


def bell(*sequences: int) -> bytes:
    """One that tells these events."""
    return orjson.dumps([[sequence, "2026-11-27T12:00:00+00:00", "progress", {}] for sequence in sequences])


def test_bells_tell_what_follows() -> None:
    """Each event once, though a bell told it that the reader has read."""
    told = rung([bell(4), bell(5, 6), bell(7)], 4)
    assert told is not None
    assert [sequence for sequence, *_ in told] == [5, 6, 7]


def test_a_bell_that_tells_what_is_known_needs_no_look() -> None:
    """It came late."""
    assert rung([bell(3), bell(4)], 4) == []


@pytest.mark.parametrize("bells", [[], [b"1"], [bell(5), b"1"], [bell(6)], [bell(5), bell(7)]])
def test_whoever_heard_too_little_looks(bells: list[bytes]) -> None:
    """Silence, a bell that tells nothing, and a bell too few."""
    assert rung(bells, 4) is None
