"""A node's resumable streams without sockets, for tests of what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.resumable import resumable
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call, folded
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.principal import Principal
from a2a_node.model.state import Gap
from a2a_node.testing import Clock, MemoryStreams

ADA = Principal("person", "ada")
GRACE, LEASE = 30.0, 15.0
Work = Callable[[Call], Awaitable[None]]


@dataclass
class House:
    """A node's streams, and what its client got."""

    streams: MemoryStreams
    clock: Clock
    calls: Calls
    writers: Writers
    outliving: Outliving
    returning: Returning
    got: list[object] = field(default_factory=list)
    slow: asyncio.Event | None = None  # the client takes nothing until it is set
    refuses: Callable[[Payload], Awaitable[None]] | None = None  # what stands between an output and the client
    most: int | None = None  # bytes of an output

    def begin(self, work: Work, **fields: object) -> tuple[Call, asyncio.Task[None]]:
        """A call, and the task of its RPC."""
        call = Call("/AgentService/InvokeStream", nothing, id=fresh_uuid(), agent="talker", principal=ADA)
        call.resumable = True
        for name, value in fields.items():
            setattr(call, name, value)
        call.reply = self.heard
        kept = resumable(self.writers, self.calls, self.returning.events, self.most)
        run = folded([self.outliving.layer, kept, self.calls.track], work)
        return call, asyncio.ensure_future(_run(run, call))

    async def read(self, call_id: str, after: int = 0) -> list[object]:
        """All that is kept after a sequence, until the end."""
        return [_told(event) async for event in self.returning.events(call_id, after)]

    async def heard(self, payload: Payload) -> None:
        """The client gets an output."""
        if self.slow is not None:
            await self.slow.wait()
        if self.refuses is not None:
            await self.refuses(payload)
        self.got.append(payload.body)


def _told(event: object) -> object:
    return event if isinstance(event, Gap) else event.payload.body  # type: ignore[attr-defined]


async def _run(run: Callable[[Call], Awaitable[None]], call: Call) -> None:
    await run(call)


async def nothing(_: Call) -> None:
    """No rest."""


@asynccontextmanager
async def opened() -> AsyncIterator[House]:
    """A node on streams in memory."""
    clock, calls = Clock(), Calls()
    streams = MemoryStreams(clock, lease=LEASE)
    async with (
        Writers.writing(streams, calls, lease=LEASE, grace=GRACE) as writers,
        Outliving.keeping(calls) as outliving,
    ):
        yield House(streams, clock, calls, writers, outliving, Returning(streams, calls, LEASE))


def saying(*words: str, then: asyncio.Event | None = None) -> Work:
    """An agent that says words, then waits for an event."""

    async def work(call: Call) -> None:
        for word in words:
            await call.reply(Payload(word, TEXT))
        if then is not None:
            await then.wait()

    return work


async def settled() -> None:
    """Let everybody go on as far as they can."""
    for _ in range(50):
        await asyncio.sleep(0)
