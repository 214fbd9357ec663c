"""The door for MCP: who may come in, and how much at a time; what is behind it is opened with the first request.

Every request passes the node's layers once for who asks, and whatever it does in the mesh passes them as a call of its
own. So wrong keys are slowed down here as anywhere, and a frozen principal is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_node.model.call import Proceed
from a2a_node.model.errors import InternalError, MeshError
from a2a_node.web.edge.origins import Guard
from a2a_node.web.mcp.answers import answering
from a2a_node.web.mcp.callers import SCOPE, Caller
from a2a_node.web.mcp.refusals import metadata, refusal, refused
from a2a_node.web.mcp.rooms import Rooms

log = structlog.get_logger()
AT_ONCE = 1000  # requests; each may hold a body of the payload's limit for a while
OVERHEAD = 64 * 1024  # bytes of a request around its payload


@dataclass(frozen=True, slots=True)
class Rules:
    """What the door goes by: who may come in, whose tokens it believes, and the bytes of a payload."""

    guard: Guard
    issuers: Sequence[str]
    payload_limit: int


class Door:
    """The application at `/mcp`; `run` is the folded incoming layers. Made by `opened`."""

    def __init__(self, run: Proceed, rules: Rules, behind: Behind) -> None:
        self._run, self._rules, self._behind = run, rules, behind
        self._guard = rules.guard
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = self._turned_away(scope)
        if response is None and self._now >= AT_ONCE:
            response = refusal(503, f"{AT_ONCE} requests are served at a time; try again", {"Retry-After": "1"})
        if response is not None:
            await response(scope, receive, send)
            return
        self._now += 1
        try:
            await self._served(scope, receive, send)
        finally:
            self._now -= 1

    async def metadata(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what the node says of itself as a protected resource; needs no key."""
        response = self._turned_away(scope, "GET") or metadata(scope, self._rules.issuers)
        await response(scope, receive, send)

    def _turned_away(self, scope: Scope, method: str = "POST") -> Response | None:
        found = self._guard.refusal(Headers(scope=scope))
        if found is not None:
            return refusal(*found)
        if scope["method"] != method:
            return refusal(405, f"only {method} is served here", {"Allow": method})
        return None

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = Caller.of(scope)
        try:
            await self._run(caller.asking())
            serve = await self._behind.app()
        except MeshError as failure:
            await refused(failure, scope)(scope, receive, send)
            return
        except Exception:
            log.exception("unexpected failure", method="mcp")
            await refused(InternalError(), scope)(scope, receive, send)
            return
        await serve({**scope, SCOPE: caller}, receive, answering(caller, scope, send))


class Behind:
    """What is behind the door, for as long as the node lives; its one task enters and leaves it."""

    def __init__(self, rooms: Rooms, limit: int) -> None:
        self._rooms, self._limit = rooms, limit
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[ASGIApp] | None = None

    async def app(self) -> ASGIApp:
        """What serves requests, opened by now."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._open(self._ready))
        return await asyncio.shield(self._ready)

    async def close(self) -> None:
        """End what still runs there."""
        await self._rooms.errands.close()
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _open(self, ready: asyncio.Future[ASGIApp]) -> None:
        try:
            module = await asyncio.to_thread(import_module, "a2a_node.web.mcp.server")  # half a second of work
            manager = module.manager_of(self._rooms, self._limit + OVERHEAD)
            async with manager.run():
                ready.set_result(manager.asgi_app)
                await self._closing.wait()
        except Exception as failure:
            if not ready.done():
                ready.set_exception(failure)
            log.exception("the door for MCP is out of order")


@asynccontextmanager
async def opened(run: Proceed, rules: Rules, rooms: Rooms) -> AsyncIterator[Door]:
    """A door until the block ends."""
    behind = Behind(rooms, rules.payload_limit)
    try:
        yield Door(run, rules, behind)
    finally:
        await behind.close()
