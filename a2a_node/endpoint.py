"""Serve an agent on an address of its own: AgentService there, registered with a node and kept there by a lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Generic, TypeAlias, TypeVar, cast

import grpc
import structlog

from a2a_node.agent import Agent, Context, Payload
from a2a_node.client import MeshClient
from a2a_node.model.call import Once, Reply
from a2a_node.model.errors import AgentProtocol, InstanceNotFound, InternalError, LeaseEnded, MeshError
from a2a_node.wire.calls import CALL_ID, CALL_TOKEN, PATH
from a2a_node.wire.errors import DETAILS_KEY, to_details
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb

log = structlog.get_logger()
LEASE = 15.0  # seconds
GRACE = 5.0  # seconds that running calls get at the end
SERVICE = "a2amesh.v1.AgentService"

Handler: TypeAlias = "grpc.RpcMethodHandler[object, object]"
Q = TypeVar("Q")
R = TypeVar("R")


@asynccontextmanager
async def endpoint(
    agent: Agent, mesh: MeshClient, *, address: str = "127.0.0.1:0", lease: float = LEASE
) -> AsyncIterator[str]:
    """Serve and stay registered until the block ends; yields the address, whose port 0 means a free one.

    Any MeshError of the first registration; later ones are logged and tried again, a lost lease is taken anew.
    """
    server = grpc.aio.server()
    server.add_registered_method_handlers(SERVICE, _handlers(_Serves(agent, mesh)))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        host = address.rpartition(":")[0]
        async with _registered(_Place(mesh, agent, f"{host}:{port}", lease)):
            yield f"{host}:{port}"
    finally:
        await server.stop(GRACE)


class _Place:
    """The agent's place in the registry, kept by a lease."""

    def __init__(self, mesh: MeshClient, agent: Agent, address: str, lease: float) -> None:
        self._mesh, self._agent, self._address, self._lease = mesh, agent, address, lease
        self._instance = ""

    async def take(self) -> None:
        """Register."""
        _, instance = await self._mesh.agents.register(self._agent.descriptor, self._address, self._lease)
        self._instance = instance.id

    async def keep(self) -> None:
        """Renew three times a lease, for ever; a place that was lost is taken anew."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._renew()
            except MeshError as error:
                log.warning("lease not renewed", agent=self._agent.name, reason=error.reason, message=error.message)

    async def leave(self) -> None:
        """Give the place up; with no node to tell, the lease ends by itself."""
        with suppress(MeshError):
            await self._mesh.agents.deregister(instance_id=self._instance)

    async def _renew(self) -> None:
        try:
            await self._mesh.agents.renew(self._instance)
        except (LeaseEnded, InstanceNotFound):
            await self.take()


@asynccontextmanager
async def _registered(place: _Place) -> AsyncIterator[None]:
    await place.take()
    keeping = asyncio.create_task(place.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await place.leave()


class _Rpc(Generic[Q, R]):
    """One RPC that a node made: what it says of the call, and how to refuse it."""

    def __init__(self, context: grpc.aio.ServicerContext[Q, R], agent: Agent, mesh: MeshClient) -> None:
        told = {name: str(value) for name, value in context.invocation_metadata() or ()}
        left = cast("float | None", context.time_remaining())  # the stubs forget that there may be none
        self._context = context
        self.work = Context(
            call_id=told.get(CALL_ID, ""),
            agent=agent.name,
            path=tuple(told[PATH].split(",")) if PATH in told else (),
            deadline=float("inf") if left is None else monotonic() + left,
            token=told.get(CALL_TOKEN, ""),
            config=agent.descriptor.config,
            mesh=mesh.caller(),
        )

    async def within(self, serve: Awaitable[None]) -> None:
        """Let the agent work; what it refuses becomes the RPC's status."""
        try:
            await serve
        except MeshError as error:
            await self._refuse(error)
        except Exception:
            log.exception("unexpected failure", agent=self.work.agent, call_id=self.work.call_id)
            await self._refuse(InternalError())

    async def _refuse(self, error: MeshError) -> None:
        code = grpc.StatusCode[error.code]
        await self._context.abort(code, error.message, ((DETAILS_KEY, to_details(error)),))


class _Serves:
    """AgentService for one agent."""

    def __init__(self, agent: Agent, mesh: MeshClient) -> None:
        self._agent, self._mesh = agent, mesh

    async def invoke(
        self, request: pb.InvokeRequest, context: grpc.aio.ServicerContext[pb.InvokeRequest, pb.InvokeResponse]
    ) -> pb.InvokeResponse:
        rpc, outputs = _Rpc(context, self._agent, self._mesh), list[Payload]()

        async def take(payload: Payload) -> None:
            outputs.append(payload)

        async def work() -> None:
            await self._agent.serve(request.capability, rpc.work, Once(to_payload(request.input)), take)
            if len(outputs) != 1:
                raise AgentProtocol(self._agent.name, f"it gave {len(outputs)} outputs to a unary call")

        await rpc.within(work())
        return pb.InvokeResponse(call_id=rpc.work.call_id, output=from_payload(outputs[0]))

    async def invoke_stream(
        self,
        request: pb.InvokeStreamRequest,
        context: grpc.aio.ServicerContext[pb.InvokeStreamRequest, pb.InvokeStreamResponse],
    ) -> None:
        rpc = _Rpc(context, self._agent, self._mesh)
        reply = _numbered(rpc.work.call_id, context.write, pb.InvokeStreamResponse)
        inputs = Once(to_payload(request.input))
        await rpc.within(self._agent.serve(request.capability, rpc.work, inputs, reply))

    async def converse(
        self,
        requests: AsyncIterator[pb.ConverseRequest],
        context: grpc.aio.ServicerContext[pb.ConverseRequest, pb.ConverseResponse],
    ) -> None:
        rpc = _Rpc(context, self._agent, self._mesh)
        opening = await anext(aiter(requests))
        reply = _numbered(rpc.work.call_id, context.write, pb.ConverseResponse)
        await rpc.within(self._agent.serve(opening.open.capability, rpc.work, _inputs(requests), reply))


def _numbered(call_id: str, write: Callable[[R], Awaitable[None]], event: Callable[..., R]) -> Reply:
    sequence = 0

    async def reply(payload: Payload) -> None:
        nonlocal sequence
        sequence += 1
        await write(event(call_id=call_id, sequence=sequence, output=from_payload(payload)))

    return reply


async def _inputs(requests: AsyncIterator[pb.ConverseRequest]) -> AsyncIterator[Payload]:
    async for request in requests:
        yield to_payload(request.input)


def _handlers(serves: _Serves) -> dict[str, Handler]:
    invoke: object = grpc.unary_unary_rpc_method_handler(
        serves.invoke, pb.InvokeRequest.FromString, pb.InvokeResponse.SerializeToString
    )
    stream: object = grpc.unary_stream_rpc_method_handler(
        serves.invoke_stream, pb.InvokeStreamRequest.FromString, pb.InvokeStreamResponse.SerializeToString
    )
    converse: object = grpc.stream_stream_rpc_method_handler(
        serves.converse, pb.ConverseRequest.FromString, pb.ConverseResponse.SerializeToString
    )
    return {
        "Invoke": cast("Handler", invoke),
        "InvokeStream": cast("Handler", stream),
        "Converse": cast("Handler", converse),
    }
