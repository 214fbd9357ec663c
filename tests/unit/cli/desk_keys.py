"""The keys of the mesh that commands talk to in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from a2a_node.client import CreatedKey, Token
from a2a_node.model.keys import ApiKey

THEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = ApiKey("k1", "person:ann", "person:dev", THEN, b"digest", "laptop", ("agent:*:invoke",), last_used_at=THEN)


@dataclass
class Keys:
    """One key, and whatever is made."""

    asked: dict[str, object] = field(default_factory=dict)

    async def list(self, **only: object) -> AsyncIterator[ApiKey]:
        """The key, whatever is asked for."""
        self.asked = only
        yield KEY

    async def create(self, name: str, **reach: object) -> CreatedKey:
        """The key."""
        self.asked = {"name": name, **reach}
        return CreatedKey(KEY, "a2a_k1_secret")

    async def revoke(self, key_id: str) -> ApiKey:
        """The key."""
        self.asked = {"key_id": key_id}
        return KEY

    async def token(self, **reach: object) -> Token:
        """A token."""
        self.asked = reach
        return Token("one.two.three", "t1", THEN)
