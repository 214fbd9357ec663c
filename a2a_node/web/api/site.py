"""The API as the node's HTTP server serves it: what is at which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from a2a_node.model.errors import PathNotFound
from a2a_node.web.api.dashboard import Glances
from a2a_node.web.api.face import Face
from a2a_node.web.api.pages import PAGES
from a2a_node.web.api.resources import PREFIX
from a2a_node.web.api.versions import VERSION
from a2a_node.web.errors import answer_of
from a2a_node.web.live import PATH as LIVE_PATH
from a2a_node.web.live import Live

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]


class Bare:
    """An application of its own: Starlette would take a function for one that gets a Request."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._serve(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Site:
    """All of the API."""

    face: Face
    glances: Glances
    live: Live

    def routes(self) -> Sequence[BaseRoute]:
        """Where its parts are."""
        status, dashboard = Bare(self.glances.status), Bare(self.glances.dashboard)
        pages = [Route(path, page) for path, page in PAGES.items()]
        return (
            WebSocketRoute(LIVE_PATH, self.live),
            WebSocketRoute(f"{PREFIX}/{{path:path}}", self.face),
            *pages,
            Route("/api/agent", status),
            Route(f"{PREFIX}/dashboard", dashboard),
            Mount(PREFIX, self.face),
        )


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to a path that is none."""
    await answer_of(PathNotFound(scope["path"]), VERSION)(scope, receive, send)
