"""A line between a test and its Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from a2a_node.testing import Line, line_to


@asynccontextmanager
async def lined(url: str) -> AsyncIterator[tuple[str, Line]]:
    """The URL of the same database over a line, and the line."""
    parts = urlsplit(url)
    async with line_to(parts.hostname or "", parts.port or 5432) as line:
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{line.port}").geturl(), line
