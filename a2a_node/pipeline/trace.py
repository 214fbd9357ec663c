"""The trace layer: one span for every RPC, refusals included, below the span that its caller names."""

from __future__ import annotations

from collections.abc import Awaitable

from opentelemetry.trace import SpanKind

from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.trace import received
from a2a_node.tracing.spans import LENGTH, Spans, Told


def trace(spans: Spans) -> Layer:
    """The layer. The caller's word relates spans and decides with them whether they are kept; it proves nothing."""

    def tell(call: Call) -> Told:
        name = call.method[1:] if call.proxied is None else call.capability
        service, _, method = name[:LENGTH].partition("/")
        about: dict[str, str | int] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
        }
        if call.agent:
            about |= {"a2a.agent": call.agent[:LENGTH], "a2a.capability": call.capability[:LENGTH], "a2a.call": call.id}
        return Told(f"{service}/{method}", SpanKind.SERVER, about)

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        parent = call.trace or received(call.metadata)
        call.trace = spans.below(parent)
        if spans.keeps(call.trace):
            return spans.around(call, proceed, parent, tell)
        return proceed(call)

    return layer
