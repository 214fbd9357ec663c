"""Locks: what only one transaction of the whole mesh does at a time."""

from __future__ import annotations

from enum import IntEnum, unique

from sqlalchemy import Select, func, select


@unique
class Lock(IntEnum):
    """What it is, by a number that nothing else in the database locks."""

    MIGRATION = 7021842630051
    REGISTRY = 7021842630052
    GRANTS = 7021842630053
    LIMITS = 7021842630054
    SECRETS = 7021842630057
    KEYS = 7021842630058
    FREEZES = 7021842630061
    TEMPLATES = 7021842630063
    RUNS = 7021842630071
    SERVERS = 7021842630072

    def held(self) -> Select[tuple[None]]:
        """Wait for it, and hold it until the transaction ends."""
        return select(func.pg_advisory_xact_lock(self.value).label("turn"))
