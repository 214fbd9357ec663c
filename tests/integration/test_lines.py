"""Lines between tests and servers: what they end has ended."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from a2a_node.testing import line_to
from tests.ports import free_port

PATIENCE = 20.0  # seconds
MANY = 20  # connections


@pytest.mark.parametrize("turns", range(8))
async def test_a_line_that_ends_leaves_no_connection(turns: int) -> None:
    """However far each of them has come: accepted, led on, or refused by the server."""
    with socket.create_server(("127.0.0.1", 0), backlog=2 * MANY) as silent:
        async with asyncio.timeout(PATIENCE):
            for port in (silent.getsockname()[1], free_port()):
                await ended(port, turns)


async def ended(port: int, turns: int) -> None:
    """A line to a port that ends so many turns of the loop after connections were made."""
    async with line_to("127.0.0.1", port) as line:
        ends = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", line.port) for _ in range(MANY)))
        for _ in range(turns):
            await asyncio.sleep(0)
    for reader, writer in ends:
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
