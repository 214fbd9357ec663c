"""Health, metrics, the API and the door for MCP over HTTP, in the node's process, never on the path of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router

from a2a_node.web.api.site import Bare, Site, nowhere
from a2a_node.web.figures import Figures
from a2a_node.web.mcp.door import Door
from a2a_node.web.mcp.refusals import METADATA, PATH

Readiness = Callable[[], tuple[bool, Mapping[str, str]]]


def app(readiness: Readiness, figures: Figures, site: Site, mcp: Door | None = None) -> Router:
    """The application; `readiness` says whether calls are served, and how each dependency stands.

    `site` is the API; `mcp` is the door for MCP clients, None where it is closed.
    """

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        ready, dependencies = readiness()
        return JSONResponse({"ready": ready, "dependencies": dict(dependencies)}, 200 if ready else 503)

    async def metrics(request: Request) -> Response:
        page, media_type = await figures.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": media_type})

    routes: list[BaseRoute] = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    routes += [*site.routes(), *(_for_mcp(mcp) if mcp is not None else ())]
    return Router(routes=routes, default=nowhere, redirect_slashes=False)


def _for_mcp(door: Door) -> Sequence[Route]:
    about = Bare(door.metadata)
    return Route(PATH, door), Route(METADATA, about), Route(f"{METADATA}{PATH}", about)
