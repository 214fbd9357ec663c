"""The mesh's secrets in Postgres: the first node makes the first one, whoever looks when the next is due makes that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, select

from a2a_node.model.secrets import ID_BYTES, KEY_BYTES, Secret, due, outlived
from a2a_node.store.access_tables import mesh_secrets as table
from a2a_node.store.locks import Lock
from a2a_node.store.postgres import Postgres

READ = select(table).order_by(table.c.made_at)


class PostgresSecrets:
    """The port `MeshSecrets` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def current(self) -> tuple[float, Sequence[Secret]]:
        """The store's time and the secrets, the oldest first; one is made when it is due."""
        async with self._postgres.reading() as look:
            secrets = [_secret(row) for row in await look.fetch(READ)]
            now = (await look.now()).timestamp()
        return await self._renewed() if due(secrets, now) else (now, secrets)

    async def _renewed(self) -> tuple[float, Sequence[Secret]]:
        """Make one, unless another node has just done so; forget those that nothing is sealed with any more."""
        async with self._postgres.writing() as change:
            await change.fetch(Lock.SECRETS.held())
            secrets = [_secret(row) for row in await change.fetch(READ)]
            now = (await change.now()).timestamp()
            if due(secrets, now):
                over = [old.id for old in outlived(secrets, now)]
                await change.fetch(delete(table).where(table.c.id.in_([UUID(bytes=old) for old in over])))
                secrets = [each for each in secrets if each.id not in over]
                secrets.append(Secret(os.urandom(ID_BYTES), os.urandom(KEY_BYTES), now))
                await change.fetch(insert(table).values(_row(secrets[-1])))
            return now, secrets


def _secret(row: RowMapping) -> Secret:
    return Secret(row["id"].bytes, row["key"], row["made_at"].timestamp())


def _row(secret: Secret) -> dict[str, object]:
    made_at = datetime.fromtimestamp(secret.made_at, UTC)
    return {"id": UUID(bytes=secret.id), "key": secret.key, "made_at": made_at}
