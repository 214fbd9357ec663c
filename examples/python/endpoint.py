"""An agent with an address of its own: it serves AgentService there, registers the address and keeps its lease."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import grpc
from relay import relay_agent

from a2a_node.agent import Agent, Context, Payload
from a2a_node.client import MeshClient
from a2a_node.model.call import Reply
from a2a_node.model.errors import InstanceNotFound, LeaseEnded, MeshError, NodeUnreachable
from a2a_node.wire.calls import CALL_ID, CALL_TOKEN, PATH
from a2a_node.wire.errors import DETAILS_KEY, to_details
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb

LEASE = 15.0  # seconds

InvokeContext = grpc.aio.ServicerContext[pb.InvokeRequest, pb.InvokeResponse]


class AgentService:
    """What the node calls: the one RPC that unary capabilities need."""

    def __init__(self, agent: Agent, mesh: MeshClient) -> None:
        self._agent = agent
        self._mesh = mesh

    async def invoke(self, request: pb.InvokeRequest, rpc: InvokeContext) -> pb.InvokeResponse:
        """Serve one call; its deadline is the RPC's own, the rest of what the node says is metadata."""
        told = {name: str(value) for name, value in rpc.invocation_metadata() or ()}
        work = Context(
            call_id=told[CALL_ID],
            agent=request.agent,
            path=tuple(told[PATH].split(",")),
            deadline=monotonic() + (rpc.time_remaining() or 0.0),
            token=told[CALL_TOKEN],
            mesh=self._mesh.caller(),
        )
        outputs: list[Payload] = []
        try:
            await self._agent.serve(request.capability, work, _one(to_payload(request.input)), _into(outputs))
        except MeshError as error:
            code = grpc.StatusCode[error.code]
            await rpc.abort(code, error.message, ((DETAILS_KEY, to_details(error)),))
        return pb.InvokeResponse(call_id=work.call_id, output=from_payload(outputs[0]))


@asynccontextmanager
async def serving(agent: Agent, mesh: MeshClient) -> AsyncIterator[str]:
    """Serve until the block ends, at the address that it is given."""
    invoke = grpc.unary_unary_rpc_method_handler(
        AgentService(agent, mesh).invoke, pb.InvokeRequest.FromString, pb.InvokeResponse.SerializeToString
    )
    server = grpc.aio.server()
    server.add_registered_method_handlers("a2amesh.v1.AgentService", {"Invoke": invoke})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=5)


class Registration:
    """The agent's place in the registry, kept by a lease."""

    def __init__(self, mesh: MeshClient, agent: Agent, address: str) -> None:
        self._mesh, self._agent, self._address = mesh, agent, address
        self._instance = ""

    async def register(self) -> None:
        """Take the place."""
        _, instance = await self._mesh.agents.register(self._agent.descriptor, self._address, LEASE)
        self._instance = instance.id

    async def renew(self) -> None:
        """Keep the place for ever."""
        while True:
            await asyncio.sleep(LEASE / 3)
            try:
                await self._renewed()
            except MeshError as error:  # the node or its store is away: the next renewal may be in time
                print(f"not renewed: {error}", flush=True)

    async def leave(self) -> None:
        """Give the place up; without a node to tell, the lease ends by itself."""
        with suppress(NodeUnreachable):
            await self._mesh.agents.deregister(instance_id=self._instance)

    async def _renewed(self) -> None:
        try:
            await self._mesh.agents.renew(self._instance)
        except (LeaseEnded, InstanceNotFound):
            await self.register()


@asynccontextmanager
async def registered(registration: Registration) -> AsyncIterator[None]:
    """Stay registered until the block ends."""
    await registration.register()
    renewing = asyncio.create_task(registration.renew())
    try:
        yield
    finally:
        renewing.cancel()
        await registration.leave()


async def main() -> None:
    """Serve until told to stop."""
    told, agent = asyncio.Event(), relay_agent("relay-endpoint")
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, told.set)
    async with MeshClient() as mesh, serving(agent, mesh) as address, registered(Registration(mesh, agent, address)):
        print(f"registered {agent.name} at {address}", flush=True)
        await told.wait()


async def _one(payload: Payload) -> AsyncIterator[Payload]:
    yield payload


def _into(outputs: list[Payload]) -> Reply:
    async def take(output: Payload) -> None:
        outputs.append(output)

    return take


if __name__ == "__main__":
    asyncio.run(main())
