"""The document of the API and the page that shows it, as files of the package: nothing comes from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2a_node.model.errors import MethodNotAllowed
from a2a_node.web.api.versions import VERSION
from a2a_node.web.errors import answer_of

ALLOWED = ("GET", "HEAD")
OWN = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
POLICY = f"{OWN}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Page:
    """A file of a package, served to everybody: it says what anybody can read in the sources."""

    package: str
    name: str
    media_type: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        if scope["method"] not in ALLOWED:
            answer = answer_of(MethodNotAllowed(scope["method"], ", ".join(ALLOWED)), VERSION)
        else:
            body = await asyncio.to_thread(files(self.package).joinpath(self.name).read_bytes)
            headers = {**VERSION, "content-security-policy": POLICY, "cache-control": "no-cache"}
            answer = Response(body, 200, headers, self.media_type)
        await answer(scope, receive, send)


HERE = "a2a_node.web.api"
PAGES: Mapping[str, Page] = {
    "/openapi.json": Page("a2amesh", "openapi.json", "application/json"),
    "/docs": Page(HERE, "page/index.html", "text/html"),
    "/docs/page.css": Page(HERE, "page/page.css", "text/css"),
    "/docs/page.js": Page(HERE, "page/page.js", "text/javascript"),
}
