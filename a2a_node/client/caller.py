"""The port `Caller` over a connection: payloads as they are, and the token and deadline that the agent names."""

from __future__ import annotations

from collections.abc import AsyncIterator

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.rpcs import INVOKE_STREAM, Rpc
from a2a_node.model.call import Terms
from a2a_node.model.payload import Payload
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb

INVOKE = Rpc("AgentService/Invoke", pb.InvokeRequest, pb.InvokeResponse)


class MeshCaller:
    """Calls agents through a node on behalf of an agent at work; see `model.call_ports.Caller`."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def call(self, agent: str, capability: str, payload: Payload, terms: Terms) -> Payload:
        """The one output of a capability; any MeshError."""
        request = pb.InvokeRequest(
            agent=agent, capability=capability, input=from_payload(payload), reserve=terms.reserve
        )
        response = await self._connection.ask(INVOKE, request, terms)
        return to_payload(response.output, "output")

    async def stream(self, agent: str, capability: str, payload: Payload, terms: Terms) -> AsyncIterator[Payload]:
        """The outputs of a capability; any MeshError."""
        request = pb.InvokeStreamRequest(
            agent=agent,
            capability=capability,
            input=from_payload(payload),
            reserve=terms.reserve,
            resumable=False,
        )
        async for event in self._connection.listen(INVOKE_STREAM, request, terms):
            yield to_payload(event.output, "output")
