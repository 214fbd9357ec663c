"""Every failure in one shape, whoever raises it; what nobody foresaw is logged and leaves without its text."""

from __future__ import annotations

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2a_node.model.errors import (
    InternalError,
    MeshError,
    MethodNotAllowed,
    PathNotFound,
    RequestMalformed,
)
from a2a_node.web.edge import habits as why
from a2a_node.web.edge.habits import Counts
from a2a_node.web.errors import answer_of

log = structlog.get_logger()
NOT_FOUND, NOT_ALLOWED = 404, 405


class Failures:
    """The layer."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        scope["app"] = self._app  # Starlette's routes raise what they refuse, for whoever stands around them
        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            return
        except Exception as error:
            failure = self._named(scope, error)
            if begun:
                raise
            await self._told(failure)(scope, receive, send)

    def _named(self, scope: Scope, error: Exception) -> MeshError:
        if isinstance(error, HTTPException):
            return _of_status(scope, error)
        if not isinstance(error, MeshError):
            log.error("unexpected failure", method="http", path=scope["path"][:200], exc_info=error)
            return InternalError()
        if isinstance(error, RequestMalformed):
            self._counts.turned_away(why.MALFORMED)
        return error

    def _told(self, failure: MeshError) -> ASGIApp:
        answer = answer_of(failure)
        if isinstance(failure, RequestMalformed):  # where its next request begins is anybody's guess
            answer.headers["connection"] = "close"
        return answer


def _of_status(scope: Scope, error: HTTPException) -> MeshError:
    if error.status_code == NOT_FOUND:
        return PathNotFound(scope["path"])
    if error.status_code == NOT_ALLOWED:
        return MethodNotAllowed(scope["method"], (error.headers or {}).get("Allow", "another"))
    return RequestMalformed(error.detail)
