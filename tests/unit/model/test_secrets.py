"""Secrets of the mesh: which one is used when, and when the next is made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.secrets import OVERLAP, ROTATION, SETTLING, Secret, due, outlived, signing


def secret(made_at: float) -> Secret:
    """A secret of that time."""
    return Secret(str(made_at).encode(), b"key", made_at)


def test_the_first_one_is_used_at_once() -> None:
    """There is none beside it."""
    assert due([], 0.0)
    assert signing([secret(100.0)], 100.0).made_at == 100.0
    assert not due([secret(100.0)], 100.0)


def test_a_new_one_is_used_once_every_node_has_read_it() -> None:
    """Until then it is the one before."""
    both = [secret(0.0), secret(ROTATION)]
    assert due(both[:1], ROTATION)
    assert signing(both, ROTATION + SETTLING - 1) == both[0]
    assert signing(both, ROTATION + SETTLING) == both[1]


def test_what_was_replaced_is_believed_for_an_hour_more() -> None:
    """And the newest always."""
    both = [secret(0.0), secret(ROTATION)]
    assert outlived(both, ROTATION + SETTLING + OVERLAP - 1) == []
    assert outlived(both, ROTATION + SETTLING + OVERLAP) == [both[0]]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6, unique=True).map(sorted), st.floats(0, 2e6))
def test_nobody_signs_with_what_is_no_longer_believed(made: list[float], now: float) -> None:
    """Whatever was made when."""
    secrets = [secret(moment) for moment in made]
    assert signing(secrets, now) not in outlived(secrets, now)


def test_a_secret_does_not_show_its_key() -> None:
    """Wherever it is printed."""
    assert "key" not in repr(secret(0.0)).replace("key=", "")
