"""WebSockets that have to get on; imported with the first of them, with the library (2 MB)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, InvalidMethod, InvalidState
from websockets.http11 import Response
from websockets.server import ServerProtocol

from a2a_node.model.errors import InternalError, InvalidInput, MeshError, MethodNotAllowed, RequestMalformed
from a2a_node.web.edge import habits as why
from a2a_node.web.edge.connections import PARTING, Patience, Waits
from a2a_node.web.edge.headers import ALWAYS
from a2a_node.web.errors import answer_of

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from a2a_node.web.edge.connections import Room

TRY_AGAIN = 1013  # the close code for a client that does not read
SLOW = "you read too slowly; connect again and go on from where you were"


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
        self._unsent = 0

    def look(self, seconds: float) -> None:
        """See whether the client reads; so many seconds went by since the last look.

        One that does not is told so, behind all that still waits for it, and is cut off when it does not read that.
        """
        waits, unsent = self._waits(), self.transport.get_write_buffer_size()
        moved, self._unsent = max(0, self._unsent - unsent), unsent
        habits = self._room.habits
        allowance = {Waits.END: PARTING, Waits.HEAD: habits.head}.get(waits, habits.stall)
        if not self._patience.over(waits, allowance, seconds, moved) or waits is Waits.NOTHING:
            return
        if waits is not Waits.READER:
            self.transport.abort()
        else:
            self._room.counts.turned_away(why.READER_SLOW)
            self._part()

    def _waits(self) -> Waits:
        if self.transport.is_closing():
            return Waits.END
        if not self.handshake_initiated:  # its library does not like the request, and says nothing
            return Waits.HEAD
        return Waits.NOTHING if self.writable.is_set() else Waits.READER

    def _part(self) -> None:
        try:
            self.conn.send_close(TRY_AGAIN, SLOW)
        except InvalidState:  # it is closing already
            self.transport.abort()
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()


def _failure(error: Exception | None) -> MeshError:
    """What is wrong with a handshake, as its client is told of it."""
    if isinstance(error, InvalidMethod):
        return MethodNotAllowed(error.method, "GET")
    if isinstance(error, InvalidHeader):
        problem = "is missing" if error.value is None else f"is {error.value[:80]!r}, which is none"
        return InvalidInput(error.name.lower(), f"{problem}; open it as RFC 6455 says, with version 13")
    return InternalError() if error is None else RequestMalformed(str(error)[:200])
