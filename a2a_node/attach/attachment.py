"""attach: an agent's place at a node, taken again after every loss, until the agent is told to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import structlog

from a2a_node.agent import Agent, Threads
from a2a_node.attach.host import Host, Options, Place
from a2a_node.attach.stream import Stream
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

    Address and key are found as `MeshClient` finds them. A node that is away or lost is dialled again and again;
    `ready` hears of every place that is taken. Raises what dialling again cannot mend: AgentOwned, InvalidInput,
    Unauthenticated.
    """
    connection = Connection(address or node_address(), key, options.payload_limit + ENVELOPE_BYTES, options.tls)
    threads = Threads(f"agent-{agent.name}", options.threads)
    try:
        capabilities = {offered.name: offered for offered in agent.descriptor.capabilities}
        host = Host(agent, connection.address, MeshCaller(connection), threads, options, capabilities)
        await _kept(_Attachment(host, connection, ready or _unheard), options.grace)
    finally:
        threads.shutdown()
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


def pause(attempt: int, luck: float) -> float:
    """Seconds to wait before dialling again: doubled by each attempt up to 5, and spread by `luck` from 0 to 1."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt, 16)) * (0.5 + luck / 2)


class _Attachment:
    """Dials, serves, and dials again."""

    def __init__(self, host: Host, connection: Connection, ready: Ready) -> None:
        self._host, self._connection, self._ready = host, connection, ready
        self._leaving = asyncio.Event()
        self._stream: Stream | None = None
        self._attempt = 0
        self._complained = False

    async def run(self) -> None:
        """Serve until told to leave; MeshErrors that dialling again cannot mend."""
        while not self._leaving.is_set():
            failure = await self._serve()
            if not self._leaving.is_set():
                self._complain(failure)
                await self._rest()

    def leave(self) -> None:
        """Take no more calls, and end once those under way have."""
        self._leaving.set()
        if self._stream is not None:
            self._stream.leave()

    async def _serve(self) -> MeshError | None:
        """Serve over one stream to its end; why it ended, when dialling again may mend that."""
        self._stream = Stream(self._host, self._connection.dial(ATTACH, Terms()), self._welcomed)
        try:
            await self._stream.run()
        except grpc.aio.AioRpcError as failure:
            refusal = self._connection.named(failure, Terms())
            if refusal.code in FATAL and not isinstance(refusal, Frozen):  # a freeze may be lifted
                raise refusal from None
            return refusal
        except MeshError as failure:
            return failure
        finally:
            self._stream = None
        return None

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
        log.info("attached", agent=self._host.agent.name, node=place.node_id, instance=place.instance_id)
        self._ready(place)

    def _complain(self, failure: MeshError | None) -> None:
        if not self._complained:
            reason = failure.message if failure is not None else "the node closed the stream"
            log.warning("not attached; dialling again", agent=self._host.agent.name, reason=reason)
        self._complained = True


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


def _unheard(_: Place) -> None:
    """Nobody asked to know."""
