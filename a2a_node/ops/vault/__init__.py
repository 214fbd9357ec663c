"""The agent `vault`: compresses backups, keeps them in an object store, and gets them back."""

from a2a_node.ops.vault.agent import made

__all__ = ["made"]
