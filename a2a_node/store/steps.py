"""The steps of the schema as the machinery of migrations sees them. Slow to import: only migrate.py does, late."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from a2a_node.model.errors import InvalidInput, SchemaUnknown

FILES = Path(__file__).parent / "migrations"
NOTHING = "base"  # the schema before the first step


def known() -> Sequence[Script]:
    """All steps that travel with this software, the first one first."""
    return [*ScriptDirectory(str(FILES)).walk_revisions()][::-1]


def upgrade(connection: Connection, revision: str) -> None:
    """Make the steps up to a revision, on a connection whose transaction the caller ends."""
    command.upgrade(_checked(connection, revision), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Undo the steps after a revision, on a connection whose transaction the caller ends."""
    command.downgrade(_checked(connection, revision), revision)


def _checked(connection: Connection, revision: str) -> Config:
    names = [step.revision for step in known()]
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in names:
        raise SchemaUnknown(found, names[-1])
    if revision not in (NOTHING, *names):
        raise InvalidInput("revision", f"{revision!r} is none of: {', '.join((NOTHING, *names))}")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FILES).replace("%", "%%"))
    return config
