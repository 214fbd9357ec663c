"""How long a door's certificate is good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from a2a_node.access.authority import fresh_authority
from a2a_node.access.certificates import Shown
from a2a_node.access.expiry import Expiry

AUTHORITY, _ = fresh_authority("tests")


class Door:
    """Shows what it is told to."""

    def __init__(self, *lifetimes: timedelta) -> None:
        self.shown = self.made(lifetimes)

    def made(self, lifetimes: Sequence[timedelta]) -> Shown:
        """A chain of certificates that are good for so long."""
        pairs = [AUTHORITY.signed([], lifetime) for lifetime in lifetimes]
        return Shown(pairs[0].key, b"".join(pair.certificate for pair in pairs))

    def now(self) -> Shown:
        """The chain."""
        return self.shown


def test_the_first_of_a_chain_to_end_decides() -> None:
    """Wherever it stands in the file."""
    span = Expiry(Door(timedelta(days=90), timedelta(days=2), timedelta(days=30))).span()
    assert span.left(datetime.now(UTC)) == pytest.approx(2 * 86_400, abs=60)
    assert span.whole == pytest.approx(2 * 86_400 + 300, abs=60)  # it begins a little earlier, for others' clocks


def test_what_is_exchanged_is_read_anew_and_what_is_not_is_not() -> None:
    """Parsing takes longer than a look at what is shown."""
    door = Door(timedelta(hours=1))
    expiry = Expiry(door)
    assert expiry.span() is expiry.span()
    door.shown = door.made([timedelta(hours=9)])
    assert expiry.span().left(datetime.now(UTC)) == pytest.approx(9 * 3600, abs=60)


def test_one_that_has_ended_says_for_how_long() -> None:
    """By a number below 0."""
    span = Expiry(Door(timedelta(hours=1))).span()
    assert span.left(span.until + timedelta(seconds=5)) == -5
