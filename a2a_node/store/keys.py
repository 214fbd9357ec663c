"""Keys in Postgres: API keys by their hashes, and the keys that the mesh signs with. Every node hears of changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, or_, select, text, tuple_, update

from a2a_node.model.errors import KeyNotFound
from a2a_node.model.key_ports import KeyChanges, KeyPlace
from a2a_node.model.keys import ApiKey, NewKey, Purpose, SigningKey, check_room
from a2a_node.store.access_tables import api_keys, signing_keys
from a2a_node.store.columns import NOW
from a2a_node.store.locks import Lock
from a2a_node.store.numbered import Kind, Numbered
from a2a_node.store.postgres import Postgres, Transaction

KIND = Kind(
    Lock.KEYS,
    counter="keys_revision",
    channel="a2a_keys",
    stamp="UPDATE api_keys SET revision = next.revision FROM next WHERE id = :id",
)
PAGE = 250  # rows
MOST = 1000  # changed keys; beyond these a snapshot costs less
SAME = ("id", "principal", "name", "created_by", "created_at", "expires_at", "last_used_at", "revoked", "revoked_at")
HOLD = and_(~api_keys.c.revoked, or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > NOW))
PUBLIC = select(*(signing_keys.c[name] for name in ("id", "purpose", "public", "created_at")))
NEWEST = (signing_keys.c.created_at.desc(), signing_keys.c.id)

USED = text("""
UPDATE api_keys SET last_used_at = GREATEST(last_used_at, used.moment)
FROM unnest(CAST(:ids AS text[]), CAST(:moments AS timestamptz[])) AS used (id, moment) WHERE api_keys.id = used.id
""")


class PostgresKeys:
    """The port `Keys` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._numbered = Numbered(postgres, KIND)

    async def create(self, new: NewKey, key_id: str, digest: bytes) -> tuple[ApiKey, int]:
        """Keep a new key."""
        held = select(func.count().label("held")).where(HOLD, api_keys.c.principal == new.principal)
        async with self._numbered.change() as change:
            check_room(new.principal, (await change.fetch(held))[0]["held"])
            row = _row(new, await change.now()) | {"id": key_id, "digest": digest}
            entered = await change.fetch(insert(api_keys).values(row).returning(api_keys))
            return _key(entered[0]), await self._numbered.note(change, {"id": key_id})

    async def revoke(self, key_id: str) -> tuple[ApiKey, int]:
        """End a key."""
        ends = update(api_keys).where(api_keys.c.id == key_id, ~api_keys.c.revoked)
        async with self._numbered.change() as change:
            ended = await change.fetch(ends.values(revoked=True, revoked_at=NOW).returning(api_keys.c.id))
            key = await _found(change, key_id)
            return key, await self._numbered.note(change, {"id": key_id}) if ended else await self._numbered.revision(
                change
            )

    async def find(self, key_id: str) -> ApiKey:
        """A key, be it ended."""
        async with self._postgres.reading() as transaction:
            return await _found(transaction, key_id)

    async def list(self, principal: str, after: KeyPlace | None, limit: int, *, ended: bool) -> Sequence[ApiKey]:
        """Keys that fit, the newest first, after a place."""
        fits: list[ColumnElement[bool]] = [] if ended else [HOLD]
        if principal:
            fits.append(api_keys.c.principal == principal)
        if after is not None:
            fits.append(tuple_(api_keys.c.created_at, api_keys.c.id) < tuple_(*after))
        newest = (api_keys.c.created_at.desc(), api_keys.c.id.desc())
        found = await self._postgres.fetch(select(api_keys).where(*fits).order_by(*newest).limit(limit))
        return [_key(row) for row in found]

    async def used(self, moments: Mapping[str, datetime]) -> None:
        """Note when keys were last used."""
        await self._postgres.fetch(USED, {"ids": [*moments], "moments": [*moments.values()]})

    async def renew(self, fresh: SigningKey, fresh_for: float, kept_for: float) -> tuple[Sequence[SigningKey], int]:
        """All keys of a purpose; `fresh` among them where it is needed."""
        same = signing_keys.c.purpose == fresh.purpose.value
        everything = select(signing_keys).where(same).order_by(*NEWEST)
        async with self._numbered.change() as change:
            found, now = await change.fetch(everything), await change.now()
            if found and found[0]["created_at"] > now - timedelta(seconds=fresh_for):
                return [_signing(row) for row in found], await self._numbered.revision(change)
            row = {"id": fresh.id, "purpose": fresh.purpose.value, "public": fresh.public, "private": fresh.private}
            await change.fetch(insert(signing_keys).values(row | {"created_at": now}))
            old = signing_keys.c.created_at < now - timedelta(seconds=kept_for)
            await change.fetch(delete(signing_keys).where(same, old))
            return [_signing(row) for row in await change.fetch(everything)], await self._numbered.note(
                change, {"id": ""}
            )

    async def snapshot(self) -> KeyChanges:
        """All keys that hold."""
        async with self._postgres.reading() as transaction:
            return await self._changes(transaction, [_key(row) async for row in _holding(transaction)])

    async def changes(self, after: int) -> KeyChanges | None:
        """What changed after a revision; None for another database than before, or too much."""
        since = select(api_keys).where(api_keys.c.revision > after).limit(MOST + 1)
        async with self._postgres.reading() as transaction:
            revision = await self._numbered.revision(transaction)
            found = await transaction.fetch(since) if after < revision else ()
            if after > revision or len(found) > MOST:
                return None
            return await self._changes(transaction, [_key(row) for row in found])

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return self._numbered.heard()

    async def _changes(self, transaction: Transaction, keys: Sequence[ApiKey]) -> KeyChanges:
        signing = [_signing(row) for row in await transaction.fetch(PUBLIC.order_by(*NEWEST))]
        return KeyChanges(await self._numbered.revision(transaction), await transaction.now(), keys, signing)


async def _holding(transaction: Transaction) -> AsyncIterator[RowMapping]:
    """All that hold, page by page: turning very many rows into values would hold up the loop."""
    page = select(api_keys).where(HOLD).order_by(api_keys.c.id).limit(PAGE)
    found = await transaction.fetch(page)
    while found:
        for row in found:
            yield row
        rest = page.where(api_keys.c.id > found[-1]["id"])
        found = await transaction.fetch(rest) if len(found) == PAGE else ()


async def _found(transaction: Transaction, key_id: str) -> ApiKey:
    found = await transaction.fetch(select(api_keys).where(api_keys.c.id == key_id))
    if not found:
        raise KeyNotFound(key_id)
    return _key(found[0])


def _row(new: NewKey, now: datetime) -> dict[str, object]:
    return {
        "principal": new.principal,
        "name": new.name,
        "permissions": list(new.permissions),
        "created_by": new.created_by,
        "created_at": now,
        "expires_at": None if new.ttl is None else now + timedelta(seconds=new.ttl),
    }


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(
        digest=bytes(row["digest"]), permissions=tuple(row["permissions"]), **{name: row[name] for name in SAME}
    )


def _signing(row: RowMapping) -> SigningKey:
    purpose = Purpose(row["purpose"])
    return SigningKey(row["id"], purpose, row["public"], row["created_at"], row.get("private", ""))
