"""A line between a test and its Redis, and what can be asked of the server past it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from a2a_node.store.redis import PATIENCE, Redis, connected
from a2a_node.testing import Line, line_to

LONG = 20.0  # seconds that no test takes


@asynccontextmanager
async def lined(url: str, *, pool_size: int = 8, patience: float = PATIENCE) -> AsyncIterator[tuple[Redis, Line]]:
    """A pool on Redis over a line, and the line."""
    parts = urlsplit(url)
    async with line_to(parts.hostname or "", parts.port or 6379) as line:
        through = parts._replace(netloc=f":{parts.password}@127.0.0.1:{line.port}").geturl()
        async with connected(through, pool_size=pool_size, patience=patience) as redis:
            yield redis, line


async def until(fact: Callable[[], Awaitable[object]]) -> None:
    """Ask, not too often, until it is so."""
    async with asyncio.timeout(LONG):
        while not await fact():  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.01)
