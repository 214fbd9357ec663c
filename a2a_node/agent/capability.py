"""One capability: a function, and everything about it that can be known before it is called."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import AsyncGeneratorType

from a2a_node.agent.context import Context
from a2a_node.agent.inputs import Inputs, Reader, element, fields
from a2a_node.agent.options import Options, checked_limit, seconds
from a2a_node.agent.outputs import Writer, writer
from a2a_node.agent.running import Manner, manner_of
from a2a_node.agent.signature import Function, Signature, signature_of
from a2a_node.model.agents import AgentCapability, checked_hedging
from a2a_node.model.call import Reply
from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import checked_name
from a2a_node.model.payload import Payload


@dataclass(frozen=True, slots=True)
class Capability:
    """A function that the mesh can call."""

    offered: AgentCapability
    function: Function
    signature: Signature
    reader: Reader
    writer: Writer
    manner: Manner

    async def run(self, context: Context, requests: AsyncIterator[Payload], reply: Reply) -> None:
        """Run the function for one call; it has the first input, or all of them when it asks for a stream."""
        inputs, write = Inputs(requests, self.reader.read), self.writer.write
        try:
            hears = self.signature.hears
            arguments: dict[str, object] = {hears: inputs} if hears else await inputs.one()
            if self.signature.context:
                arguments[self.signature.context] = context
            await self.manner(self.function, arguments, context, lambda result: reply(write(result, inputs.first)))
        finally:
            if isinstance(requests, AsyncGeneratorType):
                await requests.aclose()


def capability_of(function: Function, options: Options) -> Capability:
    """The capability that a function makes; InvalidInput names what is wrong with it."""
    name = options.get("name", getattr(function, "__name__", ""))
    place = f"agent.capabilities.{checked_name('agent.capabilities.name', name)}"
    signature = signature_of(place, function)
    reader = (
        element(f"{place}.{signature.hears}", signature.heard) if signature.hears else fields(place, signature.takes)
    )
    answers = writer(f"{place}.return", signature.answers)
    ttl = seconds(f"{place}.cache", options.get("cache", ""))
    if ttl and (signature.streams or signature.hears):
        raise InvalidInput(f"{place}.cache", "is only for a capability with one input and one output")
    offered = AgentCapability(
        name=name,
        description=options.get("description", inspect.getdoc(function) or ""),
        input_schema=reader.schema,
        output_schema=answers.schema,
        streams_output=signature.streams,
        streams_input=bool(signature.hears),
        cache_ttl=ttl,
        limit=checked_limit(f"{place}.limit", options.get("limit", ""), options.get("cost", 1)),
        idempotent=options.get("idempotent", False),
        cost=options.get("cost", 1),
        hedging_delay=seconds(f"{place}.hedging_delay", options.get("hedging_delay", "")),
        calls=tuple(options.get("calls", ())),
    )
    checked_hedging(f"{place}.hedging_delay", offered)
    return Capability(offered, function, signature, reader, answers, manner_of(signature))
