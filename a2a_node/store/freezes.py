"""Freezes in Postgres. Every node hears of changes; what nodes confirm is kept beside them and told to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import orjson
from sqlalchemy import ColumnElement, RowMapping, and_, func, insert, or_, select, text, tuple_, update

from a2a_node.model.errors import FreezeNotFound, InvalidInput
from a2a_node.model.freeze_ports import MOST, FreezePlace
from a2a_node.model.freezes import (
    Freeze,
    FreezeChanges,
    FreezeKind,
    FreezeTarget,
    NewFreeze,
    Progress,
    Unconfirmed,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.store.access_tables import freeze_progress, freezes
from a2a_node.store.columns import NOW
from a2a_node.store.locks import Lock
from a2a_node.store.numbered import Kind, Numbered
from a2a_node.store.postgres import Postgres, Transaction

KIND = Kind(
    Lock.FREEZES,
    counter="freezes_revision",
    channel="a2a_freezes",
    stamp="UPDATE freezes SET revision = next.revision FROM next WHERE id = :id",
)
CHANGED = 1000  # freezes; beyond these a snapshot costs less
HOLD = and_(freezes.c.lifted_at.is_(None), or_(freezes.c.expires_at.is_(None), freezes.c.expires_at > NOW))

CONFIRM = text("""
INSERT INTO freeze_progress (freeze_id, node_id, stopped, stopping, unconfirmed)
SELECT freeze_id, node_id, stopped, stopping, CAST(unconfirmed AS jsonb) FROM unnest(
  CAST(:freezes AS text[]), CAST(:nodes AS text[]), CAST(:stopped AS bigint[]), CAST(:stopping AS bigint[]),
  CAST(:unconfirmed AS text[])
) AS told (freeze_id, node_id, stopped, stopping, unconfirmed)
ON CONFLICT (freeze_id, node_id) DO UPDATE
SET stopped = excluded.stopped, stopping = excluded.stopping, unconfirmed = excluded.unconfirmed
""")


class PostgresFreezes:
    """The port `Freezes` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._numbered = Numbered(postgres, KIND)

    async def freeze(self, new: NewFreeze) -> tuple[Freeze, int]:
        """Freeze, or find the freeze of that target which holds."""
        async with self._numbered.change() as change:
            held = await change.fetch(select(freezes).where(HOLD, *_of(new.target)))
            if held:
                return _freeze(held[0]), await self._numbered.revision(change)
            count = await change.fetch(select(func.count().label("held")).where(HOLD))
            if count[0]["held"] >= MOST:
                raise InvalidInput("target", f"{MOST} freezes hold already; lift some first")
            row = _row(new) | {
                "expires_at": None if new.ttl is None else func.clock_timestamp() + timedelta(seconds=new.ttl)
            }
            entered = await change.fetch(insert(freezes).values(row).returning(freezes))
            frozen = _freeze(entered[0])
            return frozen, await self._numbered.note(change, {"id": frozen.id})

    async def lift(self, freeze_id: str, lifted_by: str) -> tuple[Freeze, int]:
        """Lift a freeze."""
        lifts = update(freezes).where(freezes.c.id == freeze_id, HOLD)
        async with self._numbered.change() as change:
            done = await change.fetch(lifts.values(lifted_by=lifted_by, lifted_at=NOW).returning(freezes.c.id))
            found = await change.fetch(select(freezes).where(freezes.c.id == freeze_id))
            if not found:
                raise FreezeNotFound(freeze_id)
            frozen, numbered = _freeze(found[0]), self._numbered
            return frozen, await numbered.note(change, {"id": freeze_id}) if done else await numbered.revision(change)

    async def list(
        self, target: FreezeTarget | None, after: FreezePlace | None, limit: int, *, lifted: bool
    ) -> Sequence[Freeze]:
        """Freezes that fit, the newest first, after a place."""
        fits: list[ColumnElement[bool]] = [] if lifted else [HOLD]
        if target is not None:
            fits += _of(target)
        if after is not None:
            fits.append(tuple_(freezes.c.created_at, freezes.c.id) < tuple_(*after))
        newest = (freezes.c.created_at.desc(), freezes.c.id.desc())
        found = await self._postgres.fetch(select(freezes).where(*fits).order_by(*newest).limit(limit))
        return [_freeze(row) for row in found]

    async def confirm(self, progress: Sequence[Progress]) -> None:
        """Keep what a node has confirmed."""
        rows = {
            "freezes": [one.freeze for one in progress],
            "nodes": [one.node for one in progress],
            "stopped": [one.stopped for one in progress],
            "stopping": [one.stopping for one in progress],
            "unconfirmed": [orjson.dumps(one.unconfirmed).decode() for one in progress],
        }
        await self._postgres.fetch(CONFIRM, rows)

    async def progress(self, freeze_ids: Sequence[str]) -> Sequence[Progress]:
        """What all nodes have confirmed of these freezes."""
        asked = select(freeze_progress).where(freeze_progress.c.freeze_id.in_(freeze_ids))
        found = await self._postgres.fetch(asked.order_by(freeze_progress.c.node_id))
        return [_progress(row) for row in found]

    async def snapshot(self) -> FreezeChanges:
        """All freezes that hold."""
        async with self._postgres.reading() as transaction:
            return await self._changes(transaction, await transaction.fetch(select(freezes).where(HOLD)))

    async def changes(self, after: int) -> FreezeChanges | None:
        """What changed after a revision; None for another database than before, or too much."""
        since = select(freezes).where(freezes.c.revision > after).limit(CHANGED + 1)
        async with self._postgres.reading() as transaction:
            revision = await self._numbered.revision(transaction)
            found = await transaction.fetch(since) if after < revision else ()
            if after > revision or len(found) > CHANGED:
                return None
            return await self._changes(transaction, found)

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return self._numbered.heard()

    async def _changes(self, transaction: Transaction, rows: Sequence[RowMapping]) -> FreezeChanges:
        now = await transaction.now()
        return FreezeChanges(await self._numbered.revision(transaction), now, [_freeze(row) for row in rows])


def _of(target: FreezeTarget) -> Sequence[ColumnElement[bool]]:
    return freezes.c.kind == target.kind.value, freezes.c.name == target.name


def _row(new: NewFreeze) -> dict[str, object]:
    return {
        "id": fresh_uuid(),
        "kind": new.target.kind.value,
        "name": new.target.name,
        "reason": new.reason,
        "created_by": new.created_by,
    }


def _progress(row: RowMapping) -> Progress:
    unconfirmed = tuple(Unconfirmed(**one) for one in row["unconfirmed"])
    return Progress(row["freeze_id"], row["node_id"], row["stopped"], row["stopping"], unconfirmed)


def _freeze(row: RowMapping) -> Freeze:
    return Freeze(
        row["id"],
        FreezeTarget(FreezeKind(row["kind"]), row["name"]),
        row["reason"],
        row["created_by"],
        row["created_at"],
        row["expires_at"],
        row["lifted_by"],
        row["lifted_at"],
    )
