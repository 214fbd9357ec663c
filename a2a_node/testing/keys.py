"""Keys in memory: what the ones in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from a2a_node.model.errors import KeyNotFound
from a2a_node.model.key_ports import KeyChanges, KeyPlace
from a2a_node.model.keys import ApiKey, NewKey, SigningKey, check_room
from a2a_node.testing.losable import Losable, utc


class MemoryKeys(Losable):
    """The port `Keys` on dictionaries."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__(clock)
        self._changed: dict[str, int] = {}
        self._keys: dict[str, ApiKey] = {}
        self._signing: list[SigningKey] = []  # the newest first

    async def create(self, new: NewKey, key_id: str, digest: bytes) -> tuple[ApiKey, int]:
        """Keep a new key."""
        now = self._now()
        check_room(new.principal, sum(key.principal == new.principal and key.holds(now) for key in self._keys.values()))
        key = ApiKey(
            id=key_id,
            principal=new.principal,
            created_by=new.created_by,
            created_at=now,
            digest=digest,
            name=new.name,
            permissions=new.permissions,
            expires_at=None if new.ttl is None else now + timedelta(seconds=new.ttl),
        )
        self._keys[key_id] = key
        return key, self._note(key_id)

    async def revoke(self, key_id: str) -> tuple[ApiKey, int]:
        """End a key."""
        now, key = self._now(), self._found(key_id)
        if key.revoked:
            return key, self._revision
        self._keys[key_id] = replace(key, revoked=True, revoked_at=now)
        return self._keys[key_id], self._note(key_id)

    async def find(self, key_id: str) -> ApiKey:
        """A key, be it ended."""
        self._now()
        return self._found(key_id)

    async def list(self, principal: str, after: KeyPlace | None, limit: int, *, ended: bool) -> Sequence[ApiKey]:
        """Keys that fit, the newest first, after a place."""
        now = self._now()
        found = sorted(self._keys.values(), key=lambda key: (key.created_at, key.id), reverse=True)
        return [
            key
            for key in found
            if principal in ("", key.principal)
            and (ended or key.holds(now))
            and (after is None or (key.created_at, key.id) < after)
        ][:limit]

    async def used(self, moments: Mapping[str, datetime]) -> None:
        """Note when keys were last used."""
        self._now()
        for key_id, moment in moments.items():
            if key_id in self._keys:
                key = self._keys[key_id]
                self._keys[key_id] = replace(key, last_used_at=max(moment, key.last_used_at or moment))

    async def renew(self, fresh: SigningKey, fresh_for: float, kept_for: float) -> tuple[Sequence[SigningKey], int]:
        """All keys of a purpose; `fresh` among them where it is needed."""
        now = self._now()
        found = [key for key in self._signing if key.purpose is fresh.purpose]
        if any(_age(key, now) < fresh_for for key in found):
            return found, self._revision
        self._signing.insert(0, replace(fresh, created_at=now))
        self._signing = [key for key in self._signing if key.purpose is not fresh.purpose or _age(key, now) <= kept_for]
        return [key for key in self._signing if key.purpose is fresh.purpose], self._note("")

    async def snapshot(self) -> KeyChanges:
        """All keys that hold."""
        now = self._now()
        return KeyChanges(self._revision, now, [key for key in self._keys.values() if key.holds(now)], self._public())

    async def changes(self, after: int) -> KeyChanges | None:
        """What changed after a revision."""
        now = self._now()
        if after > self._revision:
            return None
        changed = [self._keys[key_id] for key_id, revision in self._changed.items() if revision > after]
        return KeyChanges(self._revision, now, changed, self._public())

    def _public(self) -> Sequence[SigningKey]:
        return [replace(key, private="") for key in self._signing]

    def _note(self, key_id: str) -> int:
        revision = self._commit()
        if key_id:
            self._changed[key_id] = revision
        return revision

    def _found(self, key_id: str) -> ApiKey:
        if key_id not in self._keys:
            raise KeyNotFound(key_id)
        return self._keys[key_id]


def _age(key: SigningKey, now: datetime) -> float:
    return (now - (key.created_at or now)).total_seconds()
