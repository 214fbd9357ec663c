"""The audits under contract, each in a house that tampers with events and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from sqlalchemy import text

from a2a_node.model.audit_ports import AuditLog
from a2a_node.store.audit import PostgresAuditLog
from a2a_node.store.postgres import Postgres, connected
from a2a_node.testing import Line, MemoryAuditLog
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

OPENED = "ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only"
CLOSED = "ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only"


class AuditHouse(Protocol):
    """An audit, and what somebody who may do anything with the store can do to it."""

    @property
    def log(self) -> AuditLog:
        """The audit under contract."""

    async def change(self, node_id: str, sequence: int, user_id: str) -> None:
        """Write another user into an event."""

    async def remove(self, node_id: str, sequence: int) -> None:
        """Remove an event."""

    async def repeat(self, node_id: str, sequence: int, place: int) -> None:
        """Insert a copy of an event at another place of its chain."""

    async def lose(self) -> None:
        """Take Postgres away."""


class MemoryAuditHouse:
    """The audit in memory."""

    def __init__(self) -> None:
        self.log = MemoryAuditLog()

    async def change(self, node_id: str, sequence: int, user_id: str) -> None:
        """Write another user into an event."""
        place = self._place(node_id, sequence)
        event = self.log.events[place]
        self.log.events[place] = replace(event, fact=replace(event.fact, user_id=user_id))

    async def remove(self, node_id: str, sequence: int) -> None:
        """Remove an event."""
        del self.log.events[self._place(node_id, sequence)]

    async def repeat(self, node_id: str, sequence: int, place: int) -> None:
        """Insert a copy of an event at another place of its chain."""
        event = self.log.events[self._place(node_id, sequence)]
        self.log.events.append(replace(event, sequence=place))

    async def lose(self) -> None:
        """Play that Postgres is away."""
        self.log.lose()

    def _place(self, node_id: str, sequence: int) -> int:
        return next(
            place
            for place, event in enumerate(self.log.events)
            if (event.node_id, event.sequence) == (node_id, sequence)
        )


class PostgresAuditHouse:
    """The audit in Postgres, reached over a line that can be cut."""

    def __init__(self, postgres: Postgres, line: Line) -> None:
        self._postgres = postgres
        self._line = line
        self.log = PostgresAuditLog(postgres)

    async def change(self, node_id: str, sequence: int, user_id: str) -> None:
        """Write another user into an event."""
        await self._tamper(
            "UPDATE audit_log SET user_id = :user WHERE node_id = :node AND sequence = :sequence",
            node=node_id,
            sequence=sequence,
            user=user_id,
        )

    async def remove(self, node_id: str, sequence: int) -> None:
        """Remove an event."""
        await self._tamper(
            "DELETE FROM audit_log WHERE node_id = :node AND sequence = :sequence", node=node_id, sequence=sequence
        )

    async def repeat(self, node_id: str, sequence: int, place: int) -> None:
        """Insert a copy of an event at another place of its chain."""
        await self._tamper(
            """
            INSERT INTO audit_log SELECT (jsonb_populate_record(l, jsonb_build_object(
              'id', gen_random_uuid(), 'sequence', CAST(:place AS bigint), 'position', l.position + 1000000))).*
            FROM audit_log l WHERE node_id = :node AND sequence = :sequence
            """,
            node=node_id,
            sequence=sequence,
            place=place,
        )

    async def lose(self) -> None:
        """Cut the line."""
        self._line.cut()

    async def _tamper(self, statement: str, **values: object) -> None:
        """What only an owner of the table can do: switch off what guards it."""
        async with self._postgres.writing() as transaction:
            await transaction.fetch(text(OPENED))
            await transaction.fetch(text(statement), values)
            await transaction.fetch(text(CLOSED))


@asynccontextmanager
async def auditing(url: str | None) -> AsyncIterator[AuditHouse]:
    """A house on a migrated database, or in memory when there is no URL."""
    if url is None:
        yield MemoryAuditHouse()
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:
        yield PostgresAuditHouse(postgres, line)
