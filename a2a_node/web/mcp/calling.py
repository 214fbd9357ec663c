"""A tool's call is a call of its agent like any other: through all the layers, by the same rules, under its own id.

What MCP has no word for stands in the request's `_meta`: `a2amesh/timeout` (seconds), `a2amesh/idempotency_key` and
`a2amesh/budget` (amounts by unit).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import cast

from a2a_node.client.values import encoded
from a2a_node.mesh.directory import Directory
from a2a_node.model.agents import AgentCapability
from a2a_node.model.budget import Amounts, checked_amounts
from a2a_node.model.call import Call, Once, Proceed
from a2a_node.model.errors import AgentNotFound, AgentProtocol, InvalidInput, MeshError, PayloadTooLarge
from a2a_node.model.names import checked_text
from a2a_node.model.payload import Payload
from a2a_node.web.mcp.callers import Caller
from a2a_node.web.mcp.results import Result, answered, failed
from a2a_node.web.mcp.shapes import Shape, shape_of

INVOKE, INVOKE_STREAM = "/a2amesh.v1.AgentService/Invoke", "/a2amesh.v1.AgentService/InvokeStream"
TIMEOUT, KEY, BUDGET = "a2amesh/timeout", "a2amesh/idempotency_key", "a2amesh/budget"
UNKNOWN = AgentCapability("")
Progress = Callable[[int, Payload], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: whose it is, its id, its arguments, its `_meta`, and who wants to hear of its progress."""

    caller: Caller
    request: object
    arguments: Mapping[str, object]
    meta: Mapping[str, object]
    progress: Progress


@dataclass(frozen=True, slots=True)
class Calling:
    """Takes tools' calls through `run`, the folded incoming layers, to `outgoing`, those to an agent."""

    run: Proceed
    outgoing: Proceed
    fresh: Callable[[], str]
    directory: Directory
    payload_limit: int

    async def call(self, agent: str, capability: str, asking: Request) -> Result:
        """What became of it; AgentNotFound and CapabilityNotFound alone are raised, as no tool has such a name."""
        offered = self._offered(agent, capability)
        shape, outputs = shape_of(offered), _Outputs(asking.progress, self.payload_limit)
        call_id = asking.caller.call_id(asking.request) or self.fresh()
        try:
            call = self._call(asking, shape, call_id, offered)
            call.agent, call.capability, call.reply = agent, capability, outputs.take
            await self.run(call)
            if not offered.streams_output and len(outputs.kept) != 1:
                raise AgentProtocol(agent, f"it gave {len(outputs.kept)} outputs to a unary call")
            return answered(call_id, outputs.kept, shape.output, streamed=offered.streams_output)
        except MeshError as failure:
            if failure.code == "NOT_FOUND" and failure.reason in UNKNOWN_TOOL:
                raise
            return failed(failure, call_id)

    def _call(self, asking: Request, shape: Shape, call_id: str, offered: AgentCapability) -> Call:
        payload, streams = encoded(shape.taken(asking.arguments), "arguments"), offered.streams_output
        caller, meta = asking.caller, asking.meta
        return Call(
            method=INVOKE_STREAM if streams else INVOKE,
            rest=self.outgoing,
            metadata=caller.traced(meta),
            peer_of=lambda: caller.peer,
            time_left=_timeout(meta),
            unary=not streams,
            id=call_id,
            idempotency_key=_key(meta),
            payload_bytes=len(payload.body),
            budget=_budget(meta),
            requests=Once(payload),
        )

    def _offered(self, agent: str, capability: str) -> AgentCapability:
        """What the directory says of it; what it does not know is for the layers to refuse."""
        try:
            return self.directory.find(agent).agent.descriptor.capability(capability)
        except MeshError:
            return UNKNOWN


UNKNOWN_TOOL = (AgentNotFound.reason, "CAPABILITY_NOT_FOUND")


class _Outputs:
    """What an agent has answered: told as it comes, and kept for the result, in bounded memory."""

    def __init__(self, progress: Progress, limit: int) -> None:
        self._progress, self._limit, self._size = progress, limit, 0
        self.kept: list[Payload] = []

    async def take(self, payload: Payload) -> None:
        """One more; PayloadTooLarge once all of them are too much for one result."""
        output = Payload(payload.body, payload.media_type)
        body = output.body if isinstance(output.body, str | bytes) else encoded(output.body).body
        self._size += len(body)
        if self._size > self._limit:
            raise PayloadTooLarge(self._size, self._limit)
        self.kept.append(output)
        await self._progress(len(self.kept), output)


def _timeout(meta: Mapping[str, object]) -> float | None:
    seconds = meta.get(TIMEOUT)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds) or seconds <= 0:
        raise InvalidInput(f"_meta.{TIMEOUT}", "must be a number of seconds above 0")
    return float(seconds)


def _key(meta: Mapping[str, object]) -> str:
    key = meta.get(KEY, "")
    if not isinstance(key, str):
        raise InvalidInput(f"_meta.{KEY}", "must be a text")
    return checked_text(f"_meta.{KEY}", key, 255)


def _budget(meta: Mapping[str, object]) -> Amounts | None:
    amounts = meta.get(BUDGET)
    if amounts is None:
        return None
    if not isinstance(amounts, Mapping) or not all(type(amount) is int for amount in amounts.values()):
        raise InvalidInput(f"_meta.{BUDGET}", "must be an object of whole numbers by unit")
    return checked_amounts(f"_meta.{BUDGET}", cast("Amounts", amounts))
