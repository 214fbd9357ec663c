"""attach: an agent's place at a node, taken again after every loss, until the agent is told to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle

import grpc
import structlog

from a2a_node.agent import Agent, Threads
from a2a_node.attach.host import Host, Options, Place
from a2a_node.attach.stream import Hears, Stream
from a2a_node.client.anywhere import Anywhere
from a2a_node.client.caller import MeshCaller
from a2a_node.client.connection import ENVELOPE_BYTES, Connection, Rpc
from a2a_node.model.call import Terms
from a2a_node.model.errors import Frozen, MeshError
from a2a_node.model.places import node_address
from a2amesh.v1 import agent_host_service_pb2 as pb

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ATTACH = Rpc("AgentHostService/Attach", pb.AttachRequest, pb.AttachResponse)
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0  # seconds
# To dial again would not help: the agent itself, its name or its key has to change.
FATAL = ("INVALID_ARGUMENT", "ALREADY_EXISTS", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED")
DEFAULT = Options()
Ready = Callable[[Place], None]


async def attach(
    agent: Agent,
    address: str | None = None,
    *,
    key: str | None = None,
    options: Options = DEFAULT,
    ready: Ready | None = None,
) -> None:
    """Serve an agent through a node until this is cancelled; then take no more calls and let running ones end.

        asyncio.run(attach(agent, "localhost:50051"))

    Address and key are found as `MeshClient` finds them; several addresses, with commas between them, are nodes of one
    mesh. A node that is away or lost is dialled again and again, or the next one; when a node is about to stop, the
    agent attaches to the next one first and then leaves it. `ready` hears of every place that is taken. Raises what
    dialling again cannot mend: AgentOwned, InvalidInput, Unauthenticated.
    """
    places = [each.strip() for each in (address or node_address()).split(",")]
    connections = [Connection(each, key, options.payload_limit + ENVELOPE_BYTES, options.tls) for each in places]
    threads = Threads(f"agent-{agent.name}", options.threads)
    try:
        stations = [Station(_host(agent, each, threads, options, moves=len(places) > 1), each) for each in connections]
        await _kept(_Attachment(stations, ready or _unheard), options.grace)
    finally:
        threads.shutdown()
        for connection in connections:
            await connection.close()


@asynccontextmanager
async def attached(
    agent: Agent, address: str | None = None, *, key: str | None = None, options: Options = DEFAULT
) -> AsyncIterator[Place]:
    """Serve an agent beside a block, which begins once the agent can be called; what ended it early is raised after."""
    place: asyncio.Future[Place] = asyncio.get_running_loop().create_future()

    def ready(taken: Place) -> None:
        if not place.done():
            place.set_result(taken)

    task = asyncio.create_task(attach(agent, address, key=key, options=options, ready=ready))
    task.add_done_callback(lambda _: place.cancel())
    try:
        await asyncio.wait([place])
        if not place.cancelled():
            yield place.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _host(agent: Agent, connection: Connection, threads: Threads, options: Options, *, moves: bool) -> Host:
    """The agent as a node is told of it."""
    capabilities = {offered.name: offered for offered in agent.descriptor.capabilities}
    return Host(agent, connection.address, MeshCaller(Anywhere([connection])), threads, options, capabilities, moves)


def pause(attempt: int, luck: float) -> float:
    """Seconds to wait before dialling again: doubled by each attempt up to 5, and spread by `luck` from 0 to 1."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt, 16)) * (0.5 + luck / 2)


@dataclass(frozen=True, slots=True)
class Station:
    """A node that the agent may be attached to."""

    host: Host
    connection: Connection


class _Attachment:
    """Dials, serves, and dials again, at one node after the other where there are several."""

    def __init__(self, stations: Sequence[Station], ready: Ready) -> None:
        self._stations, self._ready = cycle(stations), ready
        self._agent = stations[0].host.agent.name
        self._moves = len(stations) > 1
        self._leaving = asyncio.Event()
        self._streams: dict[Stream, asyncio.Task[MeshError | None]] = {}
        self._staying: Stream | None = None  # the newest, where the agent is about to be or is
        self._attempt = 0
        self._complained = False

    async def run(self) -> None:
        """Serve until told to leave; MeshErrors that dialling again cannot mend."""
        try:
            while not self._leaving.is_set():
                task, moved = self._begun(next(self._stations))
                await _first(task, moved)
                if task.done():
                    await self._ended(task)
            await asyncio.gather(*self._streams.values())
        finally:
            await self._abandoned()

    def leave(self) -> None:
        """Take no more calls, and end once those under way have."""
        self._leaving.set()
        for stream in self._streams:
            stream.leave()

    def _begun(self, station: Station) -> tuple[asyncio.Task[MeshError | None], asyncio.Event]:
        """Serve over one more stream; the event says that its node is about to stop and the agent moves."""
        moved = asyncio.Event()
        hears = Hears(self._welcomed, moved.set if self._moves else _unheard)
        stream = self._staying = Stream(station.host, station.connection.dial(ATTACH, Terms()), hears)
        task = self._streams[stream] = asyncio.create_task(_served(stream, station))
        task.add_done_callback(lambda _: self._streams.pop(stream))
        return task, moved

    async def _ended(self, task: asyncio.Task[MeshError | None]) -> None:
        failure = task.result()
        if not self._leaving.is_set():
            self._complain(failure)
            await self._rest()

    async def _abandoned(self) -> None:
        tasks = [*self._streams.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _rest(self) -> None:
        """Wait before dialling again; not while leaving."""
        self._attempt += 1
        seconds = pause(self._attempt - 1, random.random())  # noqa: S311 - it keeps no secret, it spreads agents
        try:
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
        except TimeoutError:
            return

    def _welcomed(self, place: Place) -> None:
        self._attempt, self._complained = 0, False
        log.info("attached", agent=self._agent, node=place.node_id, instance=place.instance_id)
        for stream in self._streams:
            if stream is not self._staying:  # the agent is callable here now: there it only ends what it has
                stream.leave()
        self._ready(place)

    def _complain(self, failure: MeshError | None) -> None:
        if not self._complained:
            reason = failure.message if failure is not None else "the node closed the stream"
            log.warning("not attached; dialling again", agent=self._agent, reason=reason)
        self._complained = True


async def _served(stream: Stream, station: Station) -> MeshError | None:
    """Serve over one stream to its end; why it ended, when dialling again may mend that."""
    try:
        await stream.run()
    except grpc.aio.AioRpcError as failure:
        refusal = station.connection.named(failure, Terms())
        if refusal.code in FATAL and not isinstance(refusal, Frozen):  # a freeze may be lifted
            raise refusal from None
        return refusal
    except MeshError as failure:
        return failure
    return None


async def _kept(attachment: _Attachment, grace: float) -> None:
    """Keep an attachment until this is cancelled, then let it leave, for `grace` seconds at most."""
    task = asyncio.create_task(attachment.run())
    try:
        await asyncio.wait([task])
    finally:
        attachment.leave()
        try:
            await asyncio.wait([task], timeout=grace)
        finally:  # whoever is told to stop twice does not wait
            task.cancel()
            await asyncio.wait([task])
        failure = None if task.cancelled() else task.exception()
    if failure is not None:
        raise failure


async def _first(task: asyncio.Task[MeshError | None], moved: asyncio.Event) -> None:
    """Wait until the stream has ended or the agent has to move, whichever comes first."""
    moving = asyncio.create_task(moved.wait())
    try:
        await asyncio.wait((task, moving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        moving.cancel()


def _unheard(*_: Place) -> None:
    """Nobody asked to know."""
