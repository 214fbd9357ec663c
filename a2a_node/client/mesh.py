"""MeshClient: calls agents by name through one node, and reaches the mesh's registry, sessions and cache."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Self, TypedDict, Unpack

import grpc

from a2a_node.client.agents import Agents
from a2a_node.client.anywhere import Anywhere
from a2a_node.client.audit import Audit
from a2a_node.client.cache import Cache
from a2a_node.client.caller import INVOKE, MeshCaller
from a2a_node.client.connection import MAX_MESSAGE, Connection, Rpc, terms
from a2a_node.client.freezes import Freezes
from a2a_node.client.grants import Grants
from a2a_node.client.keys import Keys
from a2a_node.client.limits import Limits
from a2a_node.client.nodes import Nodes
from a2a_node.client.records import to_record
from a2a_node.client.rpcs import CANCEL
from a2a_node.client.sessions import Sessions
from a2a_node.client.streaming import Streaming
from a2a_node.client.through import Through
from a2a_node.client.tls import Tls
from a2a_node.client.tools import Tools
from a2a_node.client.values import decoded, encoded
from a2a_node.client.workflows import Workflows
from a2a_node.model.budget import Amounts
from a2a_node.model.call import CallRecord
from a2a_node.model.errors import StreamGap
from a2a_node.model.names import fresh_uuid
from a2a_node.model.places import node_address
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb

_CONVERSE = Rpc("AgentService/Converse", pb.ConverseRequest, pb.ConverseResponse)
_GET = Rpc("AgentService/GetCall", pb.GetCallRequest, pb.GetCallResponse)


class CallOptions(TypedDict, total=False):
    """What a call may be given besides its input."""

    timeout: float  # seconds; absent means what the node gives, or inside an agent's work what that has left
    idempotency_key: (
        str  # makes a call safe to repeat: the first outcome is given again, or its stream from the beginning
    )
    call_id: str  # a UUID of one's own, to cancel the call or ask for it elsewhere
    budget: Amounts  # what the whole tree of the call may use, by unit, for example {"calls": 10, "tokens": 5000}
    reserve: Amounts  # inside an agent's work: what the call is expected to use of its tree's budget


class StreamOptions(CallOptions, total=False):
    """What a stream may be given besides its input."""

    resumable: bool  # absent means true, but not for what an agent asks for at work


class MeshClient:
    """Calls agents by name, and reaches the mesh's registry, sessions and cache; every method raises MeshErrors.

        async with MeshClient() as mesh:
            answer = await mesh.call("echo", "say", {"text": "hello"})

    Inputs are anything that JSON can say, text, bytes, or a `Payload`; outputs come back the same way. Inside an
    agent's work a call continues the one that the agent works on: its path, and a deadline never later than its own.
    """

    def __init__(
        self,
        address: str | None = None,
        key: str | None = None,
        *,
        tls: Tls | None = None,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        """An absent address is A2A_ADDRESS or 127.0.0.1:50051; an absent key A2A_KEY or this machine's own.

        An address may be several nodes' of one mesh, with commas between them: the first one is asked, and the next one
        when it cannot be reached or is about to stop; streams and watches go on at the others when it is lost. TLS is
        used with an address that begins with `https://`, with `tls`, or where A2A_TLS_CA or A2A_TLS_CLIENT_CERT and
        A2A_TLS_CLIENT_KEY name files.
        """
        addresses = (address or node_address()).split(",")
        self._nodes = [Connection(each.strip(), key, max_message, tls) for each in addresses]
        self._connection = Anywhere(self._nodes)
        self._streaming = Streaming(self._connection)
        self.agents = Agents(self._connection)
        self.nodes = Nodes(self._connection)
        self.sessions = Sessions(self._connection)
        self.cache = Cache(self._connection)
        self.grants = Grants(self._connection)
        self.audit = Audit(self._connection)
        self.keys = Keys(self._connection)
        self.freezes = Freezes(self._connection)
        self.limits = Limits(self._connection)
        self.tools = Tools(self._connection)
        self.workflows = Workflows(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel the streams that are still open, and end the connections with what still runs on them."""
        await self._streaming.close()
        for node in self._nodes:
            await node.close()

    async def call(
        self,
        agent: str,
        capability: str = "",
        input: object = None,  # noqa: A002 - the contract's own word
        **options: Unpack[CallOptions],
    ) -> object:
        """The one output of a capability; an absent capability means the agent's only one."""
        request = pb.InvokeRequest(
            agent=agent,
            capability=capability,
            input=from_payload(encoded(input)),
            idempotency_key=options.get("idempotency_key", ""),
            call_id=options.get("call_id", ""),
            budget=options.get("budget"),
            reserve=options.get("reserve"),
        )
        response = await self._connection.ask(INVOKE, request, terms(options.get("timeout")))
        return decoded(to_payload(response.output))

    async def stream(
        self,
        agent: str,
        capability: str = "",
        input: object = None,  # noqa: A002 - the contract's own word
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[object]:
        """The outputs of a capability, as they come; closing the iterator cancels the call, if this one has begun it.

        A stream whose connection or client's node is lost is read on by itself, each output once and in order, unless
        it is not `resumable`. StreamGap when the node had to let go of outputs before this reader came back for them.
        """
        within = terms(options.get("timeout"))
        request = pb.InvokeStreamRequest(
            agent=agent,
            capability=capability,
            input=from_payload(encoded(input)),
            idempotency_key=options.get("idempotency_key", ""),
            call_id=options.get("call_id") or fresh_uuid(),
            resumable=options.get("resumable", not within.token),
            budget=options.get("budget"),
            reserve=options.get("reserve"),
        )
        async with aclosing(self._streaming.events(request, within)) as events:
            async for event in events:
                if event.HasField("gap"):
                    raise StreamGap(event.call_id, event.gap.first_sequence, event.gap.last_sequence)
                yield decoded(to_payload(event.output))

    async def converse(
        self, agent: str, capability: str, inputs: AsyncIterable[object], **options: Unpack[CallOptions]
    ) -> AsyncIterator[object]:
        """The outputs of a capability that takes many inputs; what `inputs` raises ends the call and is raised here."""
        opening = pb.ConverseOpen(
            agent=agent,
            capability=capability,
            call_id=options.get("call_id", ""),
            budget=options.get("budget"),
            reserve=options.get("reserve"),
        )
        frames = _frames(opening, inputs)
        async for response in self._connection.converse(_CONVERSE, frames, terms(options.get("timeout"))):
            yield decoded(to_payload(response.output))

    async def cancel(self, call_id: str, reason: str = "") -> CallRecord:
        """End a running call and say how it stands; one that has ended stays as it is. CallNotFound."""
        request = pb.CancelCallRequest(call_id=call_id, reason=reason)
        return to_record((await self._connection.ask(CANCEL, request, terms())).call)

    async def get_call(self, call_id: str) -> CallRecord:
        """How a call stands; CallNotFound."""
        request = pb.GetCallRequest(call_id=call_id)
        return to_record((await self._connection.ask(_GET, request, terms())).call)

    def through(self, agent: str) -> grpc.aio.Channel:
        """A channel to the gRPC services of an endpoint's own, for the stubs that protoc generates from its contract.

            orders = orders_pb2_grpc.OrdersStub(mesh.through("orders"))

        Its calls fail with gRPC's own errors; a status with an `ErrorInfo` of the domain `a2amesh` is the node's.
        """
        return Through(self._connection.node, agent)

    def caller(self) -> MeshCaller:
        """The same connection as the `Caller` that agents at work are given."""
        return MeshCaller(self._connection)


async def _frames(opening: pb.ConverseOpen, inputs: AsyncIterable[object]) -> AsyncGenerator[pb.ConverseRequest, None]:
    yield pb.ConverseRequest(open=opening)
    async for value in inputs:
        yield pb.ConverseRequest(input=from_payload(encoded(value)))
