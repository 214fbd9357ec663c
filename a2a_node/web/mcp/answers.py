"""What becomes of the SDK's answers on their way out: a new client gets a name for its session, a list its tools.

The SDK reads and writes every tool of a list as an object of its own, three times over: 46 to 90 ms for 1,000 tools, in
which the node does nothing else. So it answers with an empty list, and the tools, which are kept as bytes, are put
in its place.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from a2a_node.model.names import fresh_uuid
from a2a_node.web.mcp.callers import SESSION, Caller

VERSION = "mcp-protocol-version"
LENGTH = "content-length"
EMPTY, FULL = b'"tools":[]', b'"tools":%b'


def answering(caller: Caller, scope: Scope, send: Send) -> Send:
    """What the SDK sends its answer to a caller's request with."""
    headers = Headers(scope=scope)
    begins = SESSION not in headers and VERSION not in headers

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            _begin(message, caller, begins=begins)
        elif caller.tools and EMPTY in message.get("body", b""):
            message = {**message, "body": message["body"].replace(EMPTY, FULL % caller.tools, 1)}
            caller.tools = b""
        await send(message)

    return answer


def _begin(message: Message, caller: Caller, *, begins: bool) -> None:
    """Name the session of a client that begins, by which it can cancel requests; no node remembers it."""
    headers = MutableHeaders(scope=message)
    if begins and message["status"] == HTTPStatus.OK:
        headers[SESSION] = fresh_uuid()
    if caller.tools and LENGTH in headers:
        headers[LENGTH] = str(int(headers[LENGTH]) + len(caller.tools) - len(b"[]"))
