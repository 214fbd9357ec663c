"""Health and metrics over HTTP, in the node's process, never on the path of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from uvicorn.config import Config
from uvicorn.server import Server

from a2a_node.model.errors import SettingInvalid
from a2a_node.web.figures import Figures

Readiness = Callable[[], tuple[bool, Mapping[str, str]]]


def app(readiness: Readiness, figures: Figures) -> Router:
    """The application; `readiness` says whether calls are served, and how each dependency stands."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        ready, dependencies = readiness()
        return JSONResponse({"ready": ready, "dependencies": dict(dependencies)}, 200 if ready else 503)

    async def metrics(request: Request) -> Response:
        page, media_type = await figures.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": media_type})

    return Router(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


@asynccontextmanager
async def serving(host: str, port: int, application: Router) -> AsyncIterator[None]:
    """Serve until the block ends; SettingInvalid when the port is taken."""
    config = Config(
        application, host, port, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = _Quiet(config)
    task = asyncio.create_task(_served(server))
    try:
        await _started(server, task, port)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([task])


class _Quiet(Server):
    """A server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the command."""
        yield


async def _served(server: Server) -> bool:
    """Whether it ended in order; uvicorn leaves by SystemExit when it cannot bind."""
    try:
        await server.serve()
    except SystemExit:
        return False
    return True


async def _started(server: Server, task: asyncio.Task[bool], port: int) -> None:
    while not server.started:
        if task.done():
            raise SettingInvalid("http_port", f"{port} cannot be listened on; is another node running?")
        await asyncio.sleep(0.005)
