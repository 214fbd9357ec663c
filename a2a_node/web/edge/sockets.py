"""WebSockets that have to get on; imported with the first of them, with the library (2 MB).

A message over the limit, and one that does not get on, ends it: the client is told in a last message and a close code.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import orjson
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, InvalidMethod, InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol

from a2a_node.model.errors import (
    BodyTooLarge,
    InternalError,
    InvalidInput,
    MeshError,
    MethodNotAllowed,
    RequestMalformed,
    RequestTooSlow,
)
from a2a_node.web.bodies import MESSAGES
from a2a_node.web.edge import habits as why
from a2a_node.web.edge.bodies import LET_PASS
from a2a_node.web.edge.connections import PARTING, Patience, Waits
from a2a_node.web.edge.headers import ALWAYS
from a2a_node.web.errors import OWN, answer_of, body_of, status_of

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from a2a_node.web.edge.connections import Room

TRY_AGAIN = 1013  # the close code for a client that does not read
SLOW = "you read too slowly; connect again and go on from where you were"
QUIET = 0.5  # seconds without a byte after which a client has said what it still had to say


class Handshake(ServerProtocol):
    """What the library knows of a WebSocket; what it refuses is told in the one shape of errors."""

    def reject(self, status: HTTPStatus | int, text: str) -> Response:  # noqa: ARG002 - in the library's own words
        """The answer to a handshake that is none, or that nobody answers."""
        answer = answer_of(_failure(self.handshake_exc))
        said = [one for one in answer.raw_headers if one[0] != b"allow"]  # which the library adds by itself
        headers = Headers(
            [(name.decode(), value.decode("latin-1")) for name, value in (*said, *ALWAYS, (b"connection", b"close"))]
        )
        return Response(answer.status_code, HTTPStatus(answer.status_code).phrase, headers, bytes(answer.body))


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket; its `room` knows all connections."""

    def __init__(self, room: Room, config: Config, server_state: ServerState, app_state: dict[str, object]) -> None:
        super().__init__(config, server_state, app_state)
        self.conn = Handshake(max_size=config.ws_max_size, logger=self.logger)
        self._room = room
        self._patience = Patience()
        self._unsent = self._came = 0
        self._let_go = False  # it was ended here, whatever the application would still say
        self._let_pass = 0  # bytes of a client whose message was refused that are let pass by still

    def look(self, seconds: float) -> None:
        """See whether the client gets on; so many seconds went by since the last look.

        One that does not read is told so, behind all that still waits for it, and cut off when it does not read that.
        """
        waits, came, unsent = self._waits(), self._came, self.transport.get_write_buffer_size()
        moved = came if waits is Waits.BODY else max(0, self._unsent - unsent)
        self._came, self._unsent = 0, unsent
        habits = self._room.habits
        allowance = {Waits.END: PARTING, Waits.HEAD: habits.head}.get(waits, habits.stall)
        if not self._patience.over(waits, allowance, seconds, moved) or waits is Waits.NOTHING:
            return
        if waits is Waits.READER:
            self._room.counts.turned_away(why.READER_SLOW)
            self._part()
        elif waits is Waits.BODY:
            self._room.counts.turned_away(why.BODY_SLOW)
            self._refuse(RequestTooSlow("message"))
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        if self._let_pass:
            self._pass_by(len(data))
            return
        self._came += len(data)
        super().data_received(data)

    def handle_text(self, event: Frame) -> None:
        """A message of text, or its first part; parts are kept as one, as each alone would cost more than its bytes."""
        super().handle_text(event)
        self._joined()

    def handle_bytes(self, event: Frame) -> None:
        """The same for one of bytes."""
        super().handle_bytes(event)
        self._joined()

    def handle_cont(self, event: Frame) -> None:
        """A further part of it."""
        cast("bytearray", self.frames[0]).extend(event.data)
        if event.fin:
            self.send_receive_event_to_app()

    def _joined(self) -> None:
        self.frames[:] = cast("list[bytes]", [bytearray(part) for part in self.frames])

    def handle_ping(self) -> None:
        """The client asks whether this node lives; who does not read is not answered, as that would wait in memory."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        """The client has not said that it lives; it cannot while it is not read, or is in the middle of a message."""
        if self.read_paused or self._amid:
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    def handle_parser_exception(self) -> None:
        """What the client sends is no WebSocket's; one that sends too much in a message is told how much it may."""
        if self.conn.close_sent is None or self.conn.close_sent.code != CloseCode.MESSAGE_TOO_BIG:
            super().handle_parser_exception()
            return
        self._room.counts.turned_away(why.BODY_TOO_LARGE)
        failure = BodyTooLarge(self.conn.max_message_size or 0)
        self._say_last(Frame(Opcode.TEXT, orjson.dumps(body_of(failure))).serialize(mask=False, extensions=()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.MESSAGE_TOO_BIG})
        self._let_pass = LET_PASS  # else it would meet a reset rather than what it is told
        if self.read_paused:
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(QUIET, self.transport.close)

    async def send(self, message: ASGISendEvent) -> None:
        """What the application sends, MESSAGES among it."""
        if message["type"] == MESSAGES:
            limit = cast("dict[str, int]", message)["bytes"]
            self.conn.max_message_size = min(limit, self._room.habits.body_bytes)
            return
        try:
            await super().send(message)
        except RuntimeError:
            if self._let_go:
                raise ClientDisconnected from None
            raise

    @property
    def _amid(self) -> bool:
        """Whether a part of a message has come, and its rest has not."""
        return bool(self.frames or self.conn.reader.buffer)

    def _waits(self) -> Waits:
        if self.transport.is_closing():
            return Waits.END
        if not self.handshake_initiated:  # its library does not like the request, and says nothing
            return Waits.HEAD
        if not self.writable.is_set():
            return Waits.READER
        return Waits.BODY if self._let_pass or (self._amid and not self.read_paused) else Waits.NOTHING

    def _part(self) -> None:
        try:
            self.conn.send_close(TRY_AGAIN, SLOW)
        except InvalidState:  # it is closing already
            self.transport.abort()
            return
        self._say_last()
        self.transport.close()

    def _refuse(self, failure: MeshError) -> None:
        """End it for a message that does not get on."""
        try:
            self.conn.send_text(orjson.dumps(body_of(failure)))
            self.conn.send_close(OWN + status_of(failure), failure.reason)
        except InvalidState:  # as above
            self.transport.abort()
            return
        self._say_last()
        self.transport.close()

    def _say_last(self, before: bytes = b"") -> None:
        self.transport.write(before + b"".join(self.conn.data_to_send()))
        self.close_sent = self._let_go = True

    def _pass_by(self, size: int) -> None:
        """Keep none of what the client still sends, until it is quiet or goes too far."""
        self._came += size
        self._let_pass -= size
        if self.close_timer is not None:
            self.close_timer.cancel()
        if self._let_pass <= 0:
            self.transport.abort()
        else:
            self.close_timer = self.loop.call_later(QUIET, self.transport.close)


def _failure(error: Exception | None) -> MeshError:
    """What is wrong with a handshake, as its client is told of it."""
    if isinstance(error, InvalidMethod):
        return MethodNotAllowed(error.method, "GET")
    if isinstance(error, InvalidHeader):
        problem = "is missing" if error.value is None else f"is {error.value[:80]!r}, which is none"
        return InvalidInput(error.name.lower(), f"{problem}; open it as RFC 6455 says, with version 13")
    return InternalError() if error is None else RequestMalformed(str(error)[:200])
