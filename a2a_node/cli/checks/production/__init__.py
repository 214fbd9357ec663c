"""What `doctor --production` looks at, one file for each place; each item has its section in the checklist.

What cannot be looked at is said, never left out: a checklist with gaps reads like one without faults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from a2a_node.cli.checks.finding import Finding
from a2a_node.cli.checks.production import (
    certificates,
    doors,
    figures,
    machine,
    mesh,
    policy,
    postgres,
    redis,
)
from a2a_node.settings import Settings

ITEMS: Sequence[str] = (
    *(check.name for check in doors.CHECKS),
    *(check.name for check in certificates.CHECKS),
    *(check.name for check in policy.CHECKS),
    *(check.name for check in machine.CHECKS),
    *(check.name for check in figures.CHECKS),
    mesh.ANSWERS,
    *mesh.NAMES,
    postgres.ANSWERS,
    *(check.name for check in postgres.CHECKS),
    redis.ANSWERS,
    *(check.name for check in redis.CHECKS),
)


async def for_production(settings: Settings, postgres_url: str, redis_url: str) -> Sequence[Finding]:
    """All findings, in the order of the checklist; the URLs are of the stores that the node uses now."""
    of_files = await asyncio.to_thread(certificates.on_files, settings)
    of_node = await figures.in_figures(settings)
    of_mesh, nodes = await mesh.in_mesh(settings)
    return [
        *(check(settings) for check in doors.CHECKS),
        *of_files,
        *(check(settings) for check in policy.CHECKS),
        *machine.on_machine(settings),
        *of_node,
        *of_mesh,
        *await postgres.in_postgres(postgres_url, nodes),
        *await redis.in_redis(redis_url),
    ]
