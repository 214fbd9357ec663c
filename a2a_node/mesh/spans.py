"""The layer just around the leaf: one span for every try to have a call served, which whoever serves it continues."""

from __future__ import annotations

from collections.abc import Awaitable

from opentelemetry.context import detach
from opentelemetry.trace import SpanKind

from a2a_node.model.agents import InstanceKind
from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.errors import InternalError
from a2a_node.model.trace import BAGGAGE
from a2a_node.tracing.context import entered
from a2a_node.tracing.spans import Spans, Told


def spanned(spans: Spans, node_id: str) -> Layer:
    """The layer: of an agent that this node hosts the span is its work, of all others the call to it."""

    def tell(call: Call) -> Told:
        instance = call.instance
        if instance is None:
            raise InternalError
        name = f"{call.agent}/{call.capability}"
        about: dict[str, str | int] = {
            "a2a.agent": call.agent,
            "a2a.capability": call.capability,
            "a2a.call": call.id,
            "a2a.node": instance.node,
            "a2a.instance.id": instance.id,
            "a2a.instance.kind": instance.kind.value,
        }
        if is_here(call):
            return Told(f"work {name}", SpanKind.INTERNAL, about)
        return Told(f"call {name}", SpanKind.CLIENT, about)

    def is_here(call: Call) -> bool:
        instance = call.instance
        return instance is not None and instance.kind is InstanceKind.HOSTED and instance.node == node_id

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        if call.trace is None and BAGGAGE not in call.metadata:
            return proceed(call)
        return within(call, proceed)

    async def within(call: Call, proceed: Proceed) -> None:
        outer = call.trace
        call.trace = spans.below(outer)
        try:
            if spans.keeps(call.trace):
                await spans.around(call, proceed, outer, tell)
            elif is_here(call):
                await _inside(call, proceed)
            else:
                await proceed(call)
        finally:
            call.trace = outer

    return layer


async def _inside(call: Call, proceed: Proceed) -> None:
    """Serve a call whose spans are not kept, so that what its agent calls is not kept either."""
    before = entered(call.trace, call.metadata.get(BAGGAGE, ""))
    try:
        await proceed(call)
    finally:
        detach(before)
