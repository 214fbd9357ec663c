"""How fast callers may call, as the node keeps it: the rules, and the limiter."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.limits.limiter import Limiter, limiting
from a2a_node.limits.rules import Rules
from a2a_node.mesh.directory import Directory
from a2a_node.model.limits import Rate
from a2a_node.model.nodes import NodeStatus
from a2a_node.node.stores import Stores
from a2a_node.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """What says how fast, and what counts."""

    rules: Rules
    limiter: Limiter


@asynccontextmanager
async def limited(settings: Settings, kept: Stores, directory: Directory, name: str) -> AsyncIterator[Limits]:
    """Keep limits until the block ends; then what is left in hand goes back."""

    def peers() -> int:
        return max(1, sum(node.status is not NodeStatus.GONE for node in directory.nodes()))

    holder = f"{name}-{os.urandom(4).hex()}"  # leases of before a restart are not this process's
    async with (
        Rules.following(kept.limits, Rate(settings.limit_rate, settings.limit_burst)) as rules,
        limiting(kept.buckets, holder, peers) as limiter,
    ):
        yield Limits(rules, limiter)
