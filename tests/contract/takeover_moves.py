"""Two nodes and one stream, move by move: one keeps what an agent says at the other, which may take its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.heirs import Heir
from a2a_node.mesh.stream import Stream
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import CallStatus
from a2a_node.model.errors import AgentLost
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.stream_ports import Streams
from a2a_node.model.streams import Claim, Ending, StreamHead
from a2amesh.v1 import peer_service_pb2 as pb

MOVES = (
    "say",
    "arrive",
    "keep",
    "keep unheard",
    "credit",
    "break",
    "claim",
    "claim unheard",
    "go on",
    "give up",
    "die",
)
SAID = 40  # outputs at most: the writer's client, who takes none here, holds nobody up


class Takeover:
    """One schedule of moves; a move that makes no sense now does nothing."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._writers = Writers(streams, Calls(), lease=15, grace=30)
        self.id = fresh_uuid()
        self.said = 0
        self.granted = self.gave_up = False
        self._linked = self._lives = True
        self._link: deque[Payload] = deque()  # on the way to the writer
        self._credits: deque[int] = deque()  # on the way back
        self._claim: Claim | None = None
        self._heirs: Stream | None = None

    async def begin(self) -> None:
        """The call is carried to the heir."""
        mark = await self._streams.begin(StreamHead(self.id, "person:ada", "talker", "talk"))
        self._writer = Stream(self.id, mark, self._streams, lambda _: None)
        start = pb.LinkStart(call_id=self.id, writer=mark, heir=fresh_uuid())
        self._writer.keeping.begin(start.heir, self._credits.append, lambda: None)
        self._heir = Heir(start)

    async def make(self, move: str) -> None:
        """One move."""
        moves: Mapping[str, Callable[[], Awaitable[None]]] = {
            "say": self._say,
            "arrive": self._arrive,
            "keep": self._keep,
            "keep unheard": self._keep_unheard,
            "credit": self._credit,
            "break": self._break,
            "claim": self._take,
            "claim unheard": self._take_unheard,
            "go on": self._go_on,
            "give up": self._give_up,
            "die": self._die,
        }
        await moves[move]()

    async def finish(self) -> None:
        """The writer is lost, if it has not given up; the heir claims and keeps all that it has."""
        for move in ("die", "claim", "go on"):
            await self.make(move)

    async def kept(self) -> Sequence[object]:
        """The bodies of all events, by their sequences."""
        part = await self._streams.read(self.id, 0)
        assert [event.sequence for event in part.events] == list(range(1, len(part.events) + 1))
        return [event.payload.body for event in part.events]

    async def _say(self) -> None:
        if self.said >= SAID or (not self._linked and self._heirs is None):
            return  # outputs wait until a claim is decided
        self.said += 1
        payload = Payload(str(self.said), TEXT)
        if not await self._heir.takes(payload) and self._linked:
            self._link.append(payload)

    async def _arrive(self) -> None:
        if self._link and self._lives:
            await self._writer.say(self._link.popleft())

    async def _keep(self) -> None:
        await self._write(self._writer, heard=True)

    async def _keep_unheard(self) -> None:
        """What is written is kept, but the writer does not learn it, and will say it again."""
        await self._write(self._writer, heard=False)

    async def _write(self, stream: Stream, *, heard: bool) -> None:
        if stream.taken or (stream is self._writer and not self._lives):
            return
        write = stream.due()
        (reading,) = await self._streams.write([write])
        if reading is None:
            stream.lose()
        elif heard:
            stream.wrote(write, reading, 0.0)

    async def _credit(self) -> None:
        if self._credits and self._linked:
            self._heir.kept(self._credits.popleft())

    async def _break(self) -> None:
        """The link is lost, with what is on its way."""
        self._linked = False
        self._link.clear()
        self._credits.clear()
        self._heir.leave()

    async def _take(self) -> None:
        if self._linked or self._heirs is not None:
            return
        self._claim = self._claim or self._heir.claim()
        last = await self._streams.inherit(self._claim)
        if last is not None:
            self.granted = True
            self._heirs = self._heir.goes_on(self._claim, last, self._writers)

    async def _take_unheard(self) -> None:
        """The claim is granted, perhaps, but the heir does not learn it, and will claim again."""
        if not self._linked and self._heirs is None:
            self._claim = self._claim or self._heir.claim()
            await self._streams.inherit(self._claim)

    async def _go_on(self) -> None:
        if self._heirs is not None:
            await self._write(self._heirs, heard=True)

    async def _give_up(self) -> None:
        """The writer lives, and ends the call because its link is broken."""
        if self._linked or not self._lives or self.gave_up or self._writer.taken:
            return
        self._writer.keeping.leave()
        write = self._writer.due()
        ending = Ending(CallStatus.FAILED, AgentLost("talker", "i1"))
        (reading,) = await self._streams.write([type(write)(self.id, write.writer, write.first, (), ending)])
        self.gave_up = reading is not None

    async def _die(self) -> None:
        self._lives = False
        await self._break()


def drawn(random: Random) -> Sequence[str]:
    """Moves at random, of which most say and keep something."""
    return random.choices(MOVES, weights=(12, 10, 6, 2, 5, 1, 2, 1, 3, 1, 1), k=60)
