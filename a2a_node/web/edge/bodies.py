"""Bodies within their limit: refused by what they declare, and by what really comes.

Nothing of a refused body is kept: the answer goes out at once, and what still comes is let pass by. Else a client that
sends all of it before it listens would meet a reset rather than the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2a_node.model.errors import BodyTooLarge, MeshError, RequestMalformed
from a2a_node.web.edge.habits import BODY_TOO_LARGE, Counts

UNKNOWN = -1
LET_PASS = 256 << 20  # bytes of an answered request that are let pass by
VERSIONS = ("1.0", "1.1")


class Bodies:
    """The layer; `limit` is in bytes."""

    def __init__(self, app: ASGIApp, limit: int, counts: Counts) -> None:
        self._app, self._limit, self._counts = app, limit, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; BodyTooLarge, and RequestMalformed for one that could be read in two ways."""
        if scope["type"] == "http":
            framed(scope)
            receive = limited(receive, self._limit, declared(scope), self._over)
        await self._app(scope, receive, send)

    def _over(self) -> MeshError:
        self._counts.turned_away(BODY_TOO_LARGE)
        return BodyTooLarge(self._limit)


class Passing:
    """The layer that ends no answer before its request has passed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not declared(scope) or "expect" in Headers(scope=scope):
            await self._app(scope, receive, send)  # whoever waits to be told to go on sends nothing after an answer
            return
        body = _Body(receive)

        async def answer(message: Message) -> None:
            if message["type"] != "http.response.body" or message.get("more_body", False):
                await send(message)
                return
            await send({**message, "more_body": True})
            await body.let_pass()
            await send({**message, "body": b""})

        await self._app(scope, body.receive, answer)


class _Body:
    """How much of a request has come."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._whole = receive, False

    async def receive(self) -> Message:
        """The next part."""
        message = await self._receive()
        self._whole = not message.get("more_body", False)
        return message

    async def let_pass(self) -> None:
        """Take what the client still sends, and keep none of it."""
        left = LET_PASS
        while left > 0 and not self._whole:
            left -= len((await self.receive()).get("body", b""))


def framed(scope: Scope) -> None:
    """RequestMalformed for a request whose end another server might see elsewhere (RFC 9112, 6.1)."""
    headers = Headers(scope=scope)
    if scope["http_version"] not in VERSIONS:
        raise RequestMalformed(f"HTTP/{scope['http_version']} is not spoken here")
    if "transfer-encoding" in headers and ("content-length" in headers or scope["http_version"] == "1.0"):
        raise RequestMalformed("its body has Transfer-Encoding beside Content-Length, or in HTTP/1.0")


def declared(scope: Scope) -> int:
    """The bytes that a request says its body has, 0 where it has none, UNKNOWN where it comes in chunks."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else UNKNOWN if "transfer-encoding" in headers else 0


def limited(receive: Receive, limit: int, size: int, failure: Callable[[], MeshError]) -> Receive:
    """The same body; raises the failure at once for a declared size over the limit, and later for one that grows so.

    Of a WebSocket it is each message.
    """
    if size > limit:
        raise failure()
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if max(taken, len(message.get("text") or message.get("bytes") or b"")) > limit:
            raise failure()
        return message

    return counted
