"""Security headers: what browsers are told of every answer, unless the answer itself says something else."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
OVER_TLS = ((b"strict-transport-security", b"max-age=31536000"),)
STARTS = ("http.response.start", "websocket.http.response.start")


class Headers:
    """The layer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wanted = ALWAYS + OVER_TLS if scope.get("scheme") in ("https", "wss") else ALWAYS

        async def answer(message: Message) -> None:
            if message["type"] in STARTS:
                said = list(message.get("headers", ()))
                names = {name.lower() for name, _ in said}
                message = {**message, "headers": [*said, *(one for one in wanted if one[0] not in names)]}
            await send(message)

        await self._app(scope, receive, answer)
