"""WebSockets of RPCs whose clients stream, as a client that others wrote opens them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.peer_agents import PATIENCE
from tests.integration.people import Meeting

Said = dict[str, object]
LARGE = 1 << 26  # bytes of a message that the client takes


@asynccontextmanager
async def opened(one: Meeting, way: str, key: str = "", **headers: str) -> AsyncIterator[ClientConnection]:
    """A WebSocket of a node, `agent:verb`, by the developer's key or another."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    known_by = {"Authorization": f"Bearer {key or one.dev_key}"}
    place = f"ws://{one.node.http_address}/api/v1/agents/{way}"
    async with (
        asyncio.timeout(3 * PATIENCE),
        connect(place, additional_headers={**known_by, **shown}, max_size=LARGE) as socket,
    ):
        yield socket


async def say(socket: ClientConnection, **fields: object) -> None:
    """Send a message."""
    await socket.send(json.dumps(fields))


async def heard(socket: ClientConnection) -> Said:
    """The next message."""
    async with asyncio.timeout(PATIENCE):
        said = json.loads(await socket.recv())
    return cast("Said", said)


async def ended(socket: ClientConnection) -> tuple[list[Said], int | None, str | None]:
    """All that is still said, and how the node closes."""
    said = list[Said]()
    try:
        while True:
            said.append(await heard(socket))
    except ConnectionClosed:
        return said, socket.close_code, socket.close_reason


def error_of(said: list[Said]) -> Said:
    """What the last message says went wrong."""
    return cast("Said", said[-1]["error"])


def fault(said: list[Said]) -> str:
    """The field that the last message says is wrong."""
    error = error_of(said)
    assert error["reason"] == "INVALID_INPUT", error
    return cast("list[dict[str, str]]", error["field_violations"])[0]["field"]
