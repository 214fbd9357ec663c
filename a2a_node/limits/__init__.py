"""Limits: how fast callers may call. Exact over the whole mesh, decided in memory from leased tokens."""
