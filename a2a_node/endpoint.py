"""Serve an agent on an address of its own: AgentService there, registered with a node and kept there by a lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from a2a_node.agent import Agent, Context, Payload, Threads
from a2a_node.agent.running import left_by
from a2a_node.client import MeshClient
from a2a_node.client.connection import MAX_MESSAGE
from a2a_node.client.place import LEASE, registered
from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Door, Method, Routes, Stream, Unary, serving
from a2a_node.model.budget import Spending, read, written
from a2a_node.model.call import Once, Reply
from a2a_node.model.errors import (
    AgentProtocol,
    CallCancelled,
    CallNotFound,
    InternalError,
    InvalidInput,
    MeshError,
    RpcNotServed,
)
from a2a_node.model.names import checked_uuid
from a2a_node.tracing.work import working
from a2a_node.wire.calls import BUDGET, CALL_ID, CALL_TOKEN, PATH, USED
from a2a_node.wire.errors import DETAILS_KEY, to_details
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb

log = structlog.get_logger()
GRACE = 5.0  # seconds that running calls get at the end
STOPPED = 1024  # ids of calls that are remembered as stopped before they came
OPTIONS = (("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE))
SERVICE = "a2amesh.v1.AgentService"

M = TypeVar("M", bound=Message)


@asynccontextmanager
async def endpoint(
    agent: Agent, mesh: MeshClient, *, address: str = "127.0.0.1:0", lease: float = LEASE
) -> AsyncIterator[str]:
    """Serve and stay registered until the block ends; yields the address, whose port 0 means a free one.

    Where `mesh` knows several nodes, the agent is reached through the next one when its own is lost or about to stop.

    Any MeshError of the first registration; later ones are logged and tried again, a lost lease is taken anew.
    """
    threads = Threads(f"agent-{agent.name}")
    try:
        async with serving([Door(address)], _Serves(agent, mesh, threads).routes(), OPTIONS, GRACE) as (port,):
            place = f"{address.rpartition(':')[0]}:{port}"
            async with registered(agent.descriptor, mesh, place, lease):
                yield place
    finally:
        threads.shutdown()


class _Work:
    """One RPC that a node made: what it says of the call, and how it ends."""

    def __init__(self, rpc: Rpc, agent: Agent, mesh: MeshClient, threads: Threads) -> None:
        told = {name: str(value) for name, value in rpc.metadata}
        left = rpc.time_left
        self.over = asyncio.Event()  # once neither its task nor a thread works for it
        self._rpc, self._agent, self._said = rpc, agent, told
        self.answer: bytes | None = None  # of a unary RPC
        self.context = Context(
            call_id=told.get(CALL_ID, ""),
            agent=agent.name,
            path=tuple(told[PATH].split(",")) if PATH in told else (),
            deadline=float("inf") if left is None else monotonic() + left,
            token=told.get(CALL_TOKEN, ""),
            config=agent.descriptor.config,
            mesh=mesh.caller(),
            threads=threads,
            spending=Spending(read(told[BUDGET])) if BUDGET in told else None,
        )

    async def serve(self, capability: str, requests: AsyncIterator[Payload], reply: Reply) -> None:
        """Let the agent work, in a span of its own."""
        with working(self._agent.name, capability, self.context.call_id, self._said):
            await self._agent.serve(capability, self.context, requests, reply)

    async def within(self, serve: Awaitable[None]) -> None:
        """See the work to its end; what the agent refuses becomes the RPC's status."""
        try:
            await serve
        except MeshError as error:
            refuse(self._rpc, error, self._used())
        except Exception:
            log.exception("unexpected failure", agent=self.context.agent, call_id=self.context.call_id)
            refuse(self._rpc, InternalError(), self._used())
        else:
            self._rpc.end(trailing=self._used(), message=self.answer)

    def stop(self) -> None:
        """Cancel the work, unless its RPC, which ends as well, has done so."""
        self._rpc.stop()

    def _used(self) -> tuple[tuple[str, str], ...]:
        """What the work has used of its tree's budget, as the node hears of it at the end."""
        spent = self.context.spending.take() if self.context.spending else None
        return ((USED, written(spent)),) if spent else ()


class _AtWork:
    """The calls that the agent works on, by their ids: a node has them stopped, and hears when they have."""

    def __init__(self) -> None:
        self._works: dict[str, set[_Work]] = {}
        self._stopped: dict[str, None] = {}  # ids that were asked for while nothing was known of them, the oldest first

    async def see(self, work: _Work, serve: Coroutine[None, None, None]) -> None:
        """See a work to its end, unless it was stopped before it came."""
        call_id = work.context.call_id
        if call_id in self._stopped:
            serve.close()
            serve = _stopped(call_id)
        self._works.setdefault(call_id, set()).add(work)
        try:
            await work.within(serve)
        finally:
            left = left_by(work.context)
            if left is None:
                self._leave(work)
            else:
                left.add_done_callback(lambda _: self._leave(work))

    async def stop(self, call_id: str) -> None:
        """Stop a call, and wait until nobody works on it any more; CallNotFound when nobody does."""
        works = [*self._works.get(call_id, ())]
        if not works:
            self._stopped[call_id] = None
            if len(self._stopped) > STOPPED:
                del self._stopped[next(iter(self._stopped))]
            raise CallNotFound(call_id)
        for work in works:
            work.stop()
        for work in works:
            await work.over.wait()

    def _leave(self, work: _Work) -> None:
        call_id = work.context.call_id
        self._works[call_id].discard(work)
        if not self._works[call_id]:
            del self._works[call_id]
        work.over.set()


class _Serves:
    """AgentService for one agent."""

    def __init__(self, agent: Agent, mesh: MeshClient, threads: Threads) -> None:
        self._agent, self._mesh, self._threads = agent, mesh, threads
        self._at_work = _AtWork()

    def routes(self) -> Routes:
        """What is served: the calls of agents and their end, and nothing else."""
        methods: Mapping[str, Method] = {
            "Invoke": Unary(self._invoke),
            "InvokeStream": Unary(self._invoke_stream),
            "Converse": Stream(self._converse, plain=True),
            "CancelCall": Unary(self._cancel_call),
        }
        return Routes({f"/{SERVICE}/{name}": method for name, method in methods.items()}, Stream(_unserved))

    async def _invoke(self, rpc: Rpc, message: bytes) -> None:
        work, outputs = _Work(rpc, self._agent, self._mesh, self._threads), list[Payload]()

        async def take(payload: Payload) -> None:
            outputs.append(payload)

        async def serve() -> None:
            request = _read(pb.InvokeRequest, message)
            await work.serve(request.capability, Once(to_payload(request.input)), take)
            if len(outputs) != 1:
                raise AgentProtocol(self._agent.name, f"it gave {len(outputs)} outputs to a unary call")
            response = pb.InvokeResponse(call_id=work.context.call_id, output=from_payload(outputs[0]))
            work.answer = response.SerializeToString()

        await self._at_work.see(work, serve())

    async def _invoke_stream(self, rpc: Rpc, message: bytes) -> None:
        work = _Work(rpc, self._agent, self._mesh, self._threads)
        reply = _numbered(work.context.call_id, rpc, pb.InvokeStreamResponse)

        async def serve() -> None:
            request = _read(pb.InvokeStreamRequest, message)
            await work.serve(request.capability, Once(to_payload(request.input)), reply)

        await self._at_work.see(work, serve())

    async def _converse(self, rpc: Rpc) -> None:
        work = _Work(rpc, self._agent, self._mesh, self._threads)
        reply = _numbered(work.context.call_id, rpc, pb.ConverseResponse)

        async def serve() -> None:
            opening = _read(pb.ConverseRequest, await rpc.receive() or b"").open
            await work.serve(opening.capability, _inputs(rpc), reply)

        await self._at_work.see(work, serve())

    async def _cancel_call(self, rpc: Rpc, message: bytes) -> None:
        try:
            call_id = checked_uuid("call_id", _read(pb.CancelCallRequest, message).call_id)
            await self._at_work.stop(call_id)
        except MeshError as error:
            refuse(rpc, error)
            return
        cancelled = pb.Call(call_id=call_id, agent=self._agent.name, status=pb.CALL_STATUS_CANCELLED)
        rpc.end(message=pb.CancelCallResponse(call=cancelled).SerializeToString())


def refuse(rpc: Rpc, error: MeshError, trailing: tuple[tuple[str, str], ...] = ()) -> None:
    """End an RPC with a failure in its status."""
    code: int = grpc.StatusCode[error.code].value[0]
    rpc.end(code, error.message, ((DETAILS_KEY, to_details(error)), *trailing))


async def _stopped(call_id: str) -> None:
    raise CallCancelled(call_id, "it was stopped before it came")


def _numbered(call_id: str, rpc: Rpc, event: Callable[..., Message]) -> Reply:
    sequence = 0

    async def reply(payload: Payload) -> None:
        nonlocal sequence
        sequence += 1
        await rpc.send(event(call_id=call_id, sequence=sequence, output=from_payload(payload)).SerializeToString())

    return reply


async def _inputs(rpc: Rpc) -> AsyncIterator[Payload]:
    while (message := await rpc.receive()) is not None:
        yield to_payload(_read(pb.ConverseRequest, message).input)


def _read(kind: type[M], message: bytes) -> M:
    try:
        return kind.FromString(message)
    except DecodeError:
        raise InvalidInput("request", "is not a message of this RPC") from None


async def _unserved(rpc: Rpc) -> None:
    refuse(rpc, RpcNotServed(rpc.method))
