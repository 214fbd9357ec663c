"""What a database holds, told so that two of them can be compared: rows and a digest for each table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import asyncpg

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput

MOST_TABLES = 10_000
SHOWN = 10
# Materialized views are left out: they are made anew from their tables when a dump is restored.
TABLES = """
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY 1, 2 LIMIT 10001
"""
# The order of rows means nothing, so their hashes are added up; of two kinds, so that two rows are hardly ever taken
# for two others.
CONTENT = """
    SELECT count(*) AS rows,
           coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text || ':' ||
           coalesce(sum(hashtextextended(t::text, 1)::numeric), 0)::text AS digest
    FROM ONLY {table} t
"""


@dataclass(frozen=True, slots=True)
class Content:
    """What a database held at one moment."""

    tables: Mapping[str, tuple[int, str]]  # by name: how many rows, and their digest

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(rows for rows, _ in self.tables.values())

    @property
    def digest(self) -> str:
        """One digest of all tables."""
        told = json.dumps(sorted((name, *content) for name, content in self.tables.items()))
        return hashlib.sha256(told.encode()).hexdigest()

    def differences(self, other: Content) -> Sequence[str]:
        """What is in another one as it is not here, table by table."""
        names = sorted(self.tables.keys() | other.tables.keys())
        return [_difference(name, self.tables.get(name), other.tables.get(name)) for name in names
                if self.tables.get(name) != other.tables.get(name)]  # fmt: skip

    def check(self, other: Content) -> None:
        """AgentRefused (CONTENT_DIFFERS) when another one is not the same."""
        found = self.differences(other)
        if found:
            more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise AgentRefused(f"it is not what was dumped: {'; '.join(found[:SHOWN])}{more}", reason="CONTENT_DIFFERS")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of a dump, kept in a file beside it."""

    database: str
    taken_at: str  # ISO 8601, UTC
    sha256: str  # of the dump
    size: int  # of the dump, in bytes
    content: Content

    def written(self) -> bytes:
        """The file."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def read(cls, field: str, data: bytes) -> Manifest:
        """The manifest of a file; InvalidInput when it is none."""
        try:
            told = json.loads(data)
            tables = {str(name): (int(rows), str(digest)) for name, (rows, digest) in told["content"]["tables"].items()}
            known = (str(told["database"]), str(told["taken_at"]), str(told["sha256"]), int(told["size"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(field, "is no manifest of a dump") from error
        return cls(*known, Content(tables))


async def measured(connection: asyncpg.Connection) -> Content:
    """What a database holds as the connection's transaction sees it; AgentRefused for too many tables."""
    found = await connection.fetch(TABLES)
    if len(found) > MOST_TABLES:
        raise AgentRefused(f"the database has over {MOST_TABLES:,} tables", code="OUT_OF_RANGE")
    tables: dict[str, tuple[int, str]] = {}
    for each in found:
        name = ".".join('"' + str(part).replace('"', '""') + '"' for part in (each["schema"], each["name"]))
        row = await connection.fetchrow(CONTENT.format(table=name))
        tables[name] = (row["rows"], row["digest"])
    return Content(tables)


def _difference(name: str, here: tuple[int, str] | None, there: tuple[int, str] | None) -> str:
    if here is None or there is None:
        return f"{name} is {'new' if here is None else 'missing'}"
    return f"{name} has {there[0]:,} rows instead of {here[0]:,}" if here[0] != there[0] else f"{name} has other rows"
