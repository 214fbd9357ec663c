"""How long an agent waits before it dials again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.attach.attachment import pause


@given(attempt=st.integers(0, 10**6), luck=st.floats(0, 1))
def test_a_pause_is_never_longer_than_five_seconds_and_never_none(attempt: int, luck: float) -> None:
    """However long the node is away."""
    assert 0.05 <= pause(attempt, luck) <= 5.0


@given(luck=st.floats(0, 1))
def test_pauses_grow(luck: float) -> None:
    """Twice as long each time, until they are long enough."""
    pauses = [pause(attempt, luck) for attempt in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[1] == 2 * pauses[0]
