"""Workplaces for tests, and how agents in them are asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar, cast

from a2a_node.agent import Agent, Context, Payload
from a2a_node.model.call import Terms
from a2a_node.model.errors import PermissionDenied
from a2a_node.model.ops_ports import Deed
from a2a_node.model.principal import Principal
from a2a_node.ops.programs import SENSIBLE, Programs
from a2a_node.ops.workplace import Limits, Workplace
from tests.unit.agent.asking import inputs

T = TypeVar("T")


def workplace(folder: Path, limits: Limits | None = None) -> Workplace:
    """A workspace beneath a folder of the test's own."""
    return Workplace(folder / "workspace", Programs.of(SENSIBLE), limits)


class Lets:
    """A deputy that lets everybody do everything, or nobody anything."""

    def __init__(self, *, refused: bool = False) -> None:
        self._refused = refused

    async def act(self, deed: Deed, terms: Terms, work: Callable[[Principal], Awaitable[T]]) -> T:
        """Do the work, or refuse it."""
        del terms
        if self._refused:
            raise PermissionDenied("person:ada", deed.method)
        return await work(Principal("person", "ada"))


async def done(agent: Agent, capability: str, **said: object) -> dict[str, object]:
    """What a capability answers to an input; any MeshError."""
    answers: list[Payload] = []

    async def reply(payload: Payload) -> None:
        answers.append(payload)

    await agent.serve(capability, Context("c1", agent.name), inputs(Payload(json.dumps(said).encode())), reply)
    (answer,) = answers
    found: dict[str, object] = json.loads(cast("bytes", answer.body))
    return found


@asynccontextmanager
async def served(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A web server on loopback that gives these answers, the last one again and again; its URL and what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            heard.append(head + (await reader.readexactly(int(length[1])) if length else b""))
            writer.write(answers[min(len(heard), len(answers)) - 1])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


def answer(body: bytes, status: int = 200, *headers: str) -> bytes:
    """An answer of a web server."""
    head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n".encode() + body
