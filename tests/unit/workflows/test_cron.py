"""Schedules: which minutes a line names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.workflows.cron import Cron, cron_fault

NOW = datetime(2026, 11, 27, 14, 22, 30, tzinfo=UTC)  # a Friday
LONG_AGO = NOW - timedelta(days=800)


def latest(line: str, until: datetime = NOW, after: datetime = LONG_AGO) -> str:
    """The last minute of a line, as people write it; empty for none."""
    assert cron_fault(line) == ""
    found = Cron.of(line).latest(after, until)
    return "" if found is None else found.strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("* * * * *", "2026-11-27 14:22"),
        ("22 14 * * *", "2026-11-27 14:22"),
        ("23 14 * * *", "2026-11-26 14:23"),
        ("*/15 * * * *", "2026-11-27 14:15"),
        ("5-50/20 9-12 * * *", "2026-11-27 12:45"),
        ("0 3 * * 1-5", "2026-11-27 03:00"),
        ("0 3 * * 6,7", "2026-11-22 03:00"),
        ("0 3 * * 0", "2026-11-22 03:00"),
        ("0 0 29 2 *", ""),  # 2024 is too long ago
        ("0 0 31 * *", "2026-10-31 00:00"),
        ("0 0 1 12 *", "2025-12-01 00:00"),
        ("0 0 13 * 5", "2026-11-27 00:00"),  # the 13th or a Friday
        ("0 0 13 * *", "2026-11-13 00:00"),
        ("0 0 */2 * 5", "2026-11-27 00:00"),  # a field that begins with `*` narrows
        ("0 0 */2 * 4", "2026-11-19 00:00"),
    ],
)
def test_a_line_names_minutes(line: str, expected: str) -> None:
    """In all its fields, and in both that speak of days."""
    assert latest(line) == expected


def test_a_minute_counts_after_one_moment_and_up_to_another() -> None:
    """So that none is taken twice."""
    minute = NOW.replace(second=0)
    assert latest("* * * * *", minute) == "2026-11-27 14:22"
    assert latest("* * * * *", minute + timedelta(seconds=59), minute) == ""
    assert latest("* * * * *", minute - timedelta(microseconds=1)) == "2026-11-27 14:21"
    assert latest("0 3 * * *", NOW, NOW - timedelta(hours=1)) == ""


@given(
    st.sampled_from(["* * * * *", "*/7 3-9 * * *", "0 3 1,15 * 1", "59 23 31 12 *", "0 */5 * 1-6 0-3"]),
    st.integers(0, 60 * 24 * 30),
)
def test_the_last_minute_is_one_and_none_comes_after_it(line: str, ago: int) -> None:
    """As asking minute by minute finds it."""
    cron, until = Cron.of(line), NOW - timedelta(minutes=ago)
    first = until.replace(second=0)
    seen = next(
        (
            one
            for one in (first - timedelta(minutes=n) for n in range(600))
            if cron.latest(one - timedelta(minutes=1), one)
        ),
        None,
    )
    assert cron.latest(until - timedelta(minutes=600), until) == seen
