"""Workflow templates in Postgres: every version of each, the source as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import RowMapping, bindparam, insert, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on

from a2a_node.model.errors import TemplateNotFound, VersionConflict
from a2a_node.model.workflows import Template, TemplateInput, TemplateVersion
from a2a_node.store.hot import Hot
from a2a_node.store.locks import Lock
from a2a_node.store.postgres import Postgres
from a2a_node.store.tables import workflow_templates as table

LISTED = [column for column in table.columns if column.name not in ("source", "authority")]

OF_NAME = select(table).where(table.c.name == bindparam("name"))
ONE = Hot(OF_NAME.where(table.c.version == bindparam("version")))
NEWEST = Hot(OF_NAME.order_by(table.c.version.desc()).limit(literal_column("1")))


class PostgresTemplates:
    """The port `Templates` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def put(
        self, template: Template, source: str, by: str, expected: int | None = None, authority: bytes = b""
    ) -> TemplateVersion:
        """Keep the next version, unless the newest says the same."""
        newest = select(table).where(table.c.name == template.name).order_by(table.c.version.desc()).limit(1)
        async with self._postgres.writing() as change:
            await change.fetch(Lock.TEMPLATES.held())
            found = await change.fetch(newest)
            version = found[0]["version"] if found else 0
            check_expected(expected, version)
            if found and _is_same(found[0], source, (by, authority)):
                return _version(found[0])
            said = _row(template) | {"version": version + 1, "source": source, "created_by": by, "authority": authority}
            return _version((await change.fetch(insert(table).values(said).returning(table)))[0])

    async def get(self, name: str, version: int = 0) -> TemplateVersion:
        """A version, the newest for 0."""
        found = await self._postgres.ask(ONE if version else NEWEST, {"name": name, "version": version})
        if not found:
            raise TemplateNotFound(name, version)
        return _version(found[0])

    async def newest(self, tag: str, after: str, limit: int) -> Sequence[TemplateVersion]:
        """The newest version of each template, by name."""
        each = select(*LISTED).ext(distinct_on(table.c.name)).where(table.c.name > after)
        versions = each.order_by(table.c.name, table.c.version.desc()).subquery()
        wanted = select(versions).order_by(versions.c.name).limit(limit)
        found = await self._postgres.fetch(wanted.where(versions.c.tags.contains([tag])) if tag else wanted)
        return [_version(row) for row in found]

    async def versions(self, name: str, before: int, limit: int) -> Sequence[TemplateVersion]:
        """The versions of a template, the newest first."""
        wanted = select(*LISTED).where(table.c.name == name).order_by(table.c.version.desc()).limit(limit)
        found = await self._postgres.fetch(wanted.where(table.c.version < before) if before else wanted)
        return [_version(row) for row in found]


def _is_same(row: RowMapping, source: str, put: tuple[str, bytes]) -> bool:
    """Whether a version says the same, and starts runs by the same authority if it starts any."""
    return row["source"] == source and (not row["schedule"] or (row["created_by"], bytes(row["authority"])) == put)


def check_expected(expected: int | None, newest: int) -> None:
    """VersionConflict when the newest version is another one than expected."""
    if expected is not None and expected != newest:
        raise VersionConflict(expected, newest)


def _row(template: Template) -> dict[str, object]:
    return {
        "name": template.name,
        "description": template.description,
        "tags": list(template.tags),
        "inputs": [asdict(one) for one in template.inputs],
        "timeout": template.timeout,
        "schedule": template.schedule,
        "max_concurrent_runs": template.max_concurrent_runs,
    }


def _version(row: RowMapping) -> TemplateVersion:
    template = Template(
        row["name"],
        row["description"],
        tuple(row["tags"]),
        tuple(TemplateInput(**one) for one in row["inputs"]),
        timeout=row["timeout"],
        schedule=row["schedule"],
        max_concurrent_runs=row["max_concurrent_runs"],
    )
    return TemplateVersion(template, row["version"], row["created_by"], row["created_at"], row.get("source", ""))
