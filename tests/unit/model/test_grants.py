"""What hangs from a grant is narrower than it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from a2a_node.model.errors import GrantTooWide, PermissionDenied
from a2a_node.model.grants import Grant, NewGrant, check_narrower, expiry, wider

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HELD = Grant(
    "g",
    "person:dev",
    "person:ann",
    "agent:*:invoke",
    NOW,
    delegable=True,
    depth=2,
    expires_at=NOW + timedelta(seconds=60),
)
NEW = NewGrant("person:ann", "person:bob", "agent:echo:invoke", delegable=True, depth=1, ttl=30.0, parent="g")


def test_a_narrower_grant_hangs() -> None:
    """Fewer agents, less time, handed on less often; or all of it the same, and not handed on."""
    check_narrower(NEW, HELD, NOW)
    check_narrower(NewGrant("person:ann", "person:bob", "agent:*:invoke", ttl=60.0), HELD, NOW)
    check_narrower(replace(NEW, ttl=None), HELD, NOW)


@pytest.mark.parametrize(
    ("new", "held", "why"),
    [
        (replace(NEW, granted_by="person:eve"), HELD, "belongs to person:ann"),
        (NEW, replace(HELD, revoked=True), "has ended"),
        (NEW, replace(HELD, expires_at=NOW), "has ended"),
        (replace(NEW, permission="registry:read"), HELD, "allows"),
        (replace(NEW, permission="*:echo:invoke"), HELD, "allows"),
        (NEW, replace(HELD, delegable=False), "may not be handed on"),
        (NEW, replace(HELD, depth=0), "may not be handed on"),
        (replace(NEW, depth=2), HELD, "2 times more"),
        (replace(NEW, ttl=61.0), HELD, "ends before that"),
    ],
)
def test_a_wider_one_does_not(new: NewGrant, held: Grant, why: str) -> None:
    """The refusal says in what it would be wider."""
    with pytest.raises(GrantTooWide, match=why) as refused:
        check_narrower(new, held, NOW)
    assert isinstance(refused.value, PermissionDenied)


def test_without_a_span_it_ends_with_what_it_hangs_from() -> None:
    """And what hangs from nothing, never."""
    assert expiry(replace(NEW, ttl=None), HELD, NOW) == HELD.expires_at
    assert expiry(replace(NEW, ttl=None), None, NOW) is None
    assert expiry(NEW, None, NOW) == NOW + timedelta(seconds=30)


def test_a_grant_without_end_carries_any_span() -> None:
    """Nothing outlasts it."""
    assert wider(replace(NEW, ttl=1e9), replace(HELD, expires_at=None), NOW) == ""
