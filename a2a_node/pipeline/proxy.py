"""The proxy: calls to gRPC services of agents' own, which pass through the layers unparsed, in whatever shape.

A call that names an agent in its metadata, to a method that the node does not serve, becomes a call of that agent like
any other. Its messages stay bytes. All four shapes of gRPC are one here: messages go both ways until the client has no
more and the agent ends the call, as HTTP/2 has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Choice, Method, Stream
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InvalidInput, MeshError, PayloadTooLarge
from a2a_node.model.names import checked_name
from a2a_node.model.payload import Payload
from a2a_node.model.proxied import PROXIED, RAW, Entries, Proxied, is_method
from a2a_node.pipeline.rpcs import opened, refuse, refusing
from a2a_node.wire.calls import AGENT, CALL_ID
from a2a_node.wire.passing import onward

RESERVED = "a2amesh."  # services of that package are the node's own, also those that it does not serve yet


class Proxy:
    """Takes RPCs that name an agent through `run`, the folded incoming layers, to `outgoing`, those to an agent.

    `fresh` makes the ids of the calls.
    """

    def __init__(self, run: Proceed, outgoing: Proceed, fresh: Callable[[], str], payload_limit: int) -> None:
        self._run, self._outgoing, self._fresh, self._limit = run, outgoing, fresh, payload_limit
        self.stream = Stream(self.serve)

    def or_else(self, own: Method) -> Choice:
        """What serves a method: the agent that the client names, or else the node's own."""
        return Choice(lambda rpc: self.stream if _passes(rpc) else own)

    async def serve(self, rpc: Rpc) -> None:
        """Pass one RPC through; what is wrong with its agent or method is said once the layers know who asks."""

        async def rest(call: Call) -> None:
            call.requests, call.reply = _Messages(rpc, self._limit), reply
            await self._outgoing(call)

        async def begin(initial: Entries) -> None:
            await rpc.begin(((CALL_ID, call.id), *initial))

        async def reply(payload: Payload) -> None:
            await rpc.send(_checked(payload.body, self._limit))

        call, proxied = opened(rpc, rest), Proxied(onward(rpc.metadata), begin)
        call.id, call.method, call.proxied = self._fresh(), PROXIED, proxied
        try:
            _ask(rpc.method, call)
            await self._run(call)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            refuse(rpc, call, failure)
        else:
            rpc.end(trailing=proxied.trailing)


class _Messages:
    """The client's messages as they came; PayloadTooLarge for one over the limit."""

    def __init__(self, rpc: Rpc, limit: int) -> None:
        self._rpc, self._limit = rpc, limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Payload:
        message = await self._rpc.receive()
        if message is None:
            raise StopAsyncIteration
        return Payload(_checked(message, self._limit), RAW)


def _passes(rpc: Rpc) -> bool:
    """Whether its client names an agent for it, and agents may serve such a method."""
    method = rpc.method[1:]
    named = any(name == AGENT for name, _ in rpc.metadata)
    return named and is_method(method) and not method.startswith(RESERVED)


def _ask(method: str, call: Call) -> None:
    """Tell the call what is asked."""
    call.capability = method[1:]
    try:
        call.agent = checked_name(AGENT, call.metadata[AGENT])
    except MeshError as failure:
        call.rest = refusing(failure)


def _checked(message: object, limit: int) -> bytes:
    """The message itself; PayloadTooLarge."""
    if not isinstance(message, bytes):
        raise InvalidInput("message", "is no bytes")
    if len(message) > limit:
        raise PayloadTooLarge(len(message), limit)
    return message
