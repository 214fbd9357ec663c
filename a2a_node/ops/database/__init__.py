"""The agent `database`: dumps Postgres databases, proves that a dump can be restored, and restores it."""

from a2a_node.ops.database.agent import made

__all__ = ["made"]
