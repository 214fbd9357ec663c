"""All tables of a mesh in Postgres, as the newest migration leaves them; a test compares the two."""

from __future__ import annotations

from a2a_node.store import access_tables, audit_tables, run_tables, tables, tool_tables
from a2a_node.store.columns import metadata

__all__ = ["access_tables", "audit_tables", "metadata", "run_tables", "tables", "tool_tables"]
