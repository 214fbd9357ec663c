"""The database: whether it answers, and whether this software knows its schema."""

from __future__ import annotations

from a2a_node.cli.checks.finding import Finding, fail, ok, warn
from a2a_node.model.errors import MeshError, SettingInvalid
from a2a_node.store import migrate


async def in_database(url: str) -> Finding:
    """Whether the database at the URL answers, and how old its schema is."""
    try:
        found = await migrate.current(url)
    except SettingInvalid as failure:
        return fail("database", failure.message, "correct A2A_POSTGRES_URL, or the rights of its role")
    except MeshError as failure:
        return fail("database", failure.message, "start it, or correct A2A_POSTGRES_URL")
    return schema(found, migrate.HEAD)


def schema(found: str, newest: str) -> Finding:
    """What a schema's revision means; they sort by age."""
    if found == newest:
        return ok("database", f"its schema is {found}, the newest")
    if found > newest:
        return fail("database", f"its schema {found} is newer than {newest}", "upgrade a2a-node")
    return warn("database", f"its schema is {found or 'empty'}", "`a2a-node db upgrade`, or start a node: it upgrades")
