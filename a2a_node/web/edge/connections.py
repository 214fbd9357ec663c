"""Connections that have to get on: uvicorn's HTTP/1.1, with an end to all that it waits for without one.

It looks at every connection twice a second. Whoever lets the node wait is given a span; bytes that come, or are taken,
earn some of it back, so that a slow line may send as much as it likes and a trickle may not. The head of a request
earns nothing. When there are too many connections, one without a request makes room.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle

from a2a_node.model.errors import HeadersTooLarge, MeshError, RequestMalformed, RequestTooSlow, TooManyConnections
from a2a_node.web.edge import habits as why
from a2a_node.web.edge.habits import Counts, Habits
from a2a_node.web.edge.headers import ALWAYS
from a2a_node.web.errors import answer_of

if TYPE_CHECKING:
    from asyncio import Transport

    from uvicorn.config import Config
    from uvicorn.server import ServerState

LEAST = 1024  # bytes a second that count as getting on
PARTING = 5.0  # seconds to take a last answer
TOO_LARGE = 431
SOCKET_HEADERS, SOCKET_LINE = 120, 8000  # of the head of a WebSocket: how many, and bytes of each


class Waits(Enum):
    """What the node waits for, at one connection."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()
    READER = auto()  # who does not take what is sent
    END = auto()


class Watched(Protocol):
    """A connection that is looked at."""

    transport: Transport

    def look(self, seconds: float) -> None:
        """See whether it gets on; so many seconds went by since the last look."""


class Patience:
    """How long a connection may still keep the node waiting."""

    __slots__ = ("_left", "_what")

    def __init__(self) -> None:
        self._what: object = None
        self._left = 0.0

    def over(self, what: object, allowance: float, seconds: float, moved: int) -> bool:
        """Whether it is used up for `what`, of which so many bytes have moved; anything else begins it anew."""
        if what != self._what:
            self._what, self._left = what, allowance
            return False
        self._left = min(allowance, self._left - seconds + moved / LEAST)
        return self._left <= 0


class Room:
    """All connections of a port; `socket` makes the protocol of a WebSocket."""

    def __init__(self, habits: Habits, counts: Counts, socket: Callable[..., object]) -> None:
        self.habits, self.counts, self.socket = habits, counts, socket

    def look(self, connections: Iterable[object], seconds: float) -> None:
        """Look at all of them."""
        everybody = list(connections)
        self.counts.open = len(everybody)
        for connection in everybody:
            cast("Watched", connection).look(seconds)

    def arrived(self, new: Connection) -> None:
        """One more has come; when they are too many one that waits for a request makes room, or the new one goes."""
        if len(new.connections) <= self.habits.connections:
            return
        idle = [one for one in new.connections if isinstance(one, Connection) and one.idle and one is not new]
        if not idle:
            self.counts.turned_away(why.CROWDED)
            new.answer(TooManyConnections(self.habits.connections))
            return
        crowd = Counter(one.address for one in idle).most_common(1)[0][0]  # who has most of them is asked first
        self.counts.turned_away(why.GAVE_WAY)
        min((one for one in idle if one.address == crowd), key=lambda one: one.since).transport.abort()


class Connection(H11Protocol):
    """One connection; its `room` knows all of them."""

    def __init__(self, room: Room, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.since = 0.0  # when it last began to wait for a request, by the loop's clock
        self.ws_protocol_class = partial(room.socket, room)  # type: ignore[assignment]  # it is called, and nothing else
        self._room = room
        self._patience = Patience()
        self._came = self._unsent = 0

    @property
    def idle(self) -> bool:
        """Whether no request of it is under way."""
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.client[0] if self.client else ""

    @property
    def _request(self) -> RequestResponseCycle | None:
        """The latest one; uvicorn forgets that there may be none."""
        return cast("RequestResponseCycle | None", self.cycle)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._room.arrived(self)

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        if self.transport.is_closing():
            return
        self._came += len(data)
        super().data_received(data)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A client wants a WebSocket; its library takes smaller heads, and would wait for ever over others."""
        if len(self.headers) > SOCKET_HEADERS or any(
            len(name) + len(text) > SOCKET_LINE for name, text in self.headers
        ):
            self._room.counts.turned_away(why.HEADERS_TOO_LARGE)
            self.answer(HeadersTooLarge(SOCKET_LINE))
            return
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """It waits for the next request now."""
        self.since = self.loop.time()
        super().on_response_complete()

    def look(self, seconds: float) -> None:
        """See whether the client gets on; so many seconds went by since the last look."""
        waits, came, unsent = self._waits(), self._came, self.transport.get_write_buffer_size()
        moved = {Waits.HEAD: 0, Waits.BODY: came}.get(waits, max(0, self._unsent - unsent))
        self._came, self._unsent = 0, unsent
        habits = self._room.habits
        allowance = {Waits.HEAD: habits.head, Waits.END: PARTING}.get(waits, habits.stall)
        if self._patience.over((waits, self.cycle), allowance, seconds, moved) and waits is not Waits.NOTHING:
            self._give_up(waits)

    def send_400_response(self, msg: str) -> None:
        """Answer to what is no HTTP; uvicorn asks for it while it handles what h11 has said."""
        error = sys.exc_info()[1]
        if getattr(error, "error_status_hint", 0) == TOO_LARGE:
            self._room.counts.turned_away(why.HEADERS_TOO_LARGE)
            self.answer(HeadersTooLarge(self._room.habits.head_bytes))
            return
        self._room.counts.turned_away(why.MALFORMED)
        self.answer(RequestMalformed((str(error) if error else msg).partition(": bytearray")[0][:200]))

    def answer(self, failure: MeshError) -> None:
        """Say it, where nothing else was said, and close the connection."""
        answer = answer_of(failure)
        request = self._request
        if request is not None and not request.response_complete:
            request.disconnected = True  # whoever works on it says no more
            request.message_event.set()
        head = h11.Response(
            status_code=answer.status_code,
            headers=[*answer.raw_headers, *ALWAYS, (b"connection", b"close")],
            reason=STATUS_PHRASES[answer.status_code],
        )
        try:
            said = [self.conn.send(part) for part in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage())]
        except h11.LocalProtocolError:  # an answer has begun: to cut it off says enough
            said = []
        self.transport.write(b"".join(part for part in said if part))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Clients may ask for what they like; uvicorn would log two lines each time."""

    def _waits(self) -> Waits:
        if self.transport.is_closing():
            return Waits.END
        if self.flow.write_paused:
            return Waits.READER
        if self.conn.their_state is h11.SEND_BODY:
            asked = self._request is None or not self._request.waiting_for_100_continue
            return Waits.BODY if asked and not self.flow.read_paused else Waits.NOTHING
        rests = self.timeout_keep_alive_task is not None  # between requests, for which uvicorn has a time of its own
        return Waits.HEAD if self.conn.their_state is h11.IDLE and not rests else Waits.NOTHING

    def _give_up(self, waits: Waits) -> None:
        if waits is Waits.HEAD:
            self._room.counts.turned_away(why.HEAD_SLOW)
            self.answer(RequestTooSlow("head"))
        elif waits is Waits.BODY:
            self._room.counts.turned_away(why.BODY_SLOW)
            self.answer(RequestTooSlow("body"))
        else:
            if waits is Waits.READER:
                self._room.counts.turned_away(why.READER_SLOW)
            self.transport.abort()
