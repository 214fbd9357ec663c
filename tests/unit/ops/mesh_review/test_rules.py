"""What is wrong with grants and keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from a2a_node.model.grants import Grant
from a2a_node.model.keys import ApiKey
from a2a_node.ops.mesh_review.rules import Ages, of_grants, of_keys

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
AGES = Ages(NOW, timedelta(days=14), timedelta(days=90))
DAY = timedelta(days=1)
GRANT = Grant("g1", "person:dev", "person:ada", "agent:echo:invoke", NOW - DAY)
KEY = ApiKey("k1", "person:ada", "person:dev", NOW - DAY, permissions=("agent:echo:invoke",))


@pytest.mark.parametrize(
    ("grant", "rules"),
    [
        (GRANT, []),
        (replace(GRANT, permission="agent:*:invoke"), ["grant-wide medium"]),
        (replace(GRANT, permission="access:*", expires_at=NOW + DAY), ["grant-wide high"]),
        (replace(GRANT, permission="access:key"), ["grant-power high"]),
        (replace(GRANT, permission="access:key", expires_at=NOW + DAY), []),
        (replace(GRANT, delegable=True, depth=2), ["grant-handed-on medium"]),
        (replace(GRANT, delegable=True, depth=2, expires_at=NOW + DAY), []),
        (replace(GRANT, permission="access:*", revoked=True), []),
        (replace(GRANT, permission="access:*", expires_at=NOW - DAY), []),
    ],
    ids=["plain", "wide", "mighty", "power", "power-for-a-while", "endless", "ending", "revoked", "expired"],
)
def test_a_grant_is_looked_through(grant: Grant, rules: list[str]) -> None:
    """By what it allows, whether it may be handed on, and when it ends."""
    assert [f"{found.rule} {found.severity}" for found in of_grants([grant], [], AGES)] == rules


@pytest.mark.parametrize(
    ("given", "used", "unused"),
    [(100, 95, True), (100, None, True), (100, 200, True), (100, 10, False), (10, None, False)],
)
def test_a_grant_is_unused_when_no_key_of_its_holder_was(given: int, used: int | None, unused: bool) -> None:  # noqa: FBT001
    """Since it was given, for long; days before now. Of those who have no key nothing is known."""
    grant = replace(GRANT, granted_at=NOW - given * DAY)
    key = replace(KEY, last_used_at=None if used is None else NOW - used * DAY)
    assert [found.rule for found in of_grants([grant], [key], AGES)] == ["grant-unused"] * unused
    assert list(of_grants([grant], [], AGES)) == []
    assert list(of_grants([replace(grant, uses=1)], [key], AGES)) == []


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        (KEY, []),
        (replace(KEY, permissions=()), ["key-endless"]),
        (replace(KEY, expires_at=NOW), ["key-expired"]),
        (replace(KEY, expires_at=NOW, revoked=True), []),
        (replace(KEY, expires_at=NOW + 13 * DAY), ["key-expires-soon"]),
        (replace(KEY, expires_at=NOW + 15 * DAY), []),
        (replace(KEY, created_at=NOW - 90 * DAY), ["key-never-used"]),
        (replace(KEY, created_at=NOW - 99 * DAY, last_used_at=NOW - 91 * DAY), ["key-unused"]),
        (replace(KEY, created_at=NOW - 99 * DAY, last_used_at=NOW), []),
    ],
    ids=["plain", "endless", "expired", "revoked", "soon", "later", "never", "long-ago", "used"],
)
def test_a_key_is_looked_through(key: ApiKey, rules: list[str]) -> None:
    """By when it ends, and when it was used."""
    assert [found.rule for found in of_keys([key], AGES)] == rules


def test_nothing_of_a_secret_is_told() -> None:
    """Not even what is kept of it."""
    key = replace(KEY, expires_at=NOW, digest=b"\xab" * 32)
    (found,) = of_keys([key], AGES)
    assert "abab" not in found.model_dump_json()
