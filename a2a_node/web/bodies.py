"""The body of a request, whole, and how large it, or a message of a WebSocket, may be."""

from __future__ import annotations

from starlette.types import Receive

from a2a_node.model.errors import BodyTooLarge

AROUND = 64 * 1024  # bytes of a body around its payload
MESSAGES = "a2a.websocket.messages"  # what an application sends to take messages of so many `bytes` from now on


class Disconnected(Exception):
    """The client has left; nobody hears an answer."""


def limit_of(payload_limit: int) -> int:
    """Bytes of a body whose payload, of that many bytes at most, may be written in base64."""
    return payload_limit // 3 * 4 + AROUND


async def whole(receive: Receive, limit: int, declared: int) -> bytes:
    """The body; BodyTooLarge beyond `limit` bytes, Disconnected when its client leaves before."""
    parts, taken = list[bytes](), 0
    while max(declared, taken) <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
        taken += len(parts[-1])
    raise BodyTooLarge(limit)
