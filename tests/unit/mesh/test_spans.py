"""The layer just around the leaf."""

from __future__ import annotations

import pytest
from opentelemetry import baggage
from opentelemetry.trace import SpanKind

from a2a_node.mesh.spans import spanned
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentLost
from a2a_node.model.trace import Trace
from a2a_node.tracing.context import current
from a2a_node.tracing.spans import Span, Spans

OUTER = Trace(7, 8, sampled=True)
UNKEPT = Trace(7, 8, sampled=False)


def kept_elsewhere(_: Span) -> None:
    """Where spans go at which nobody looks."""


class Leaf:
    """The end of the layers, and what it saw: the call's span, and the current one."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.span: Trace | None = None
        self.current: Trace | None = None
        self.tenant: object = None

    async def __call__(self, call: Call) -> None:
        """Look around."""
        self.span, self.current, self.tenant = call.trace, current(), baggage.get_baggage("tenant")
        if self.failure is not None:
            raise self.failure


def call(kind: InstanceKind, trace: Trace | None, **metadata: str) -> Call:
    """A call on its way to an instance of that kind."""
    instance = Instance("i1", "echo", "n2", kind)
    return Call("/m", Leaf(), metadata, agent="echo", capability="say", id="c1", instance=instance, trace=trace)


@pytest.mark.parametrize(
    ("kind", "name", "role"),
    [
        (InstanceKind.HOSTED, "work echo/say", SpanKind.INTERNAL),
        (InstanceKind.ATTACHED, "call echo/say", SpanKind.CLIENT),
        (InstanceKind.ENDPOINT, "call echo/say", SpanKind.CLIENT),
    ],
)
async def test_every_kind_of_instance_has_its_span(kind: InstanceKind, name: str, role: SpanKind) -> None:
    """The leaf works in it, and the call is its parent's again afterwards."""
    kept: list[Span] = []
    leaf, asked = Leaf(), call(kind, OUTER)
    await spanned(Spans(kept.append), "n2")(asked, leaf)
    (span,) = kept
    assert (span.told.name, span.told.kind, span.parent) == (name, role, OUTER)
    assert leaf.span == leaf.current == span.trace
    assert asked.trace == OUTER
    assert span.told.attributes == {
        "a2a.agent": "echo",
        "a2a.capability": "say",
        "a2a.call": "c1",
        "a2a.node": "n2",
        "a2a.instance.id": "i1",
        "a2a.instance.kind": kind.value,
    }


async def test_an_agent_that_another_node_hosts_is_called() -> None:
    """Its work is that node's to tell of."""
    kept: list[Span] = []
    await spanned(Spans(kept.append), "n1")(call(InstanceKind.HOSTED, OUTER), Leaf())
    assert (kept[0].told.name, kept[0].told.kind) == ("call echo/say", SpanKind.CLIENT)


async def test_every_try_has_a_span_of_its_own() -> None:
    """With what it failed with; all of them are below the call."""
    kept: list[Span] = []
    layer, asked = spanned(Spans(kept.append), "n2"), call(InstanceKind.ATTACHED, OUTER)
    with pytest.raises(AgentLost):
        await layer(asked, Leaf(AgentLost("echo", "i1")))
    await layer(asked, Leaf())
    assert [(span.parent, span.outcome.reason) for span in kept] == [(OUTER, "AGENT_LOST"), (OUTER, "")]
    assert kept[0].trace.span_id != kept[1].trace.span_id


@pytest.mark.parametrize("spans", [Spans(), Spans(kept_elsewhere)])
async def test_a_hosted_agent_works_in_a_trace_that_nobody_keeps(spans: Spans) -> None:
    """So that what it calls is not kept either."""
    leaf = Leaf()
    await spanned(spans, "n2")(call(InstanceKind.HOSTED, UNKEPT, baggage="tenant=blue"), leaf)
    assert (leaf.span, leaf.current, leaf.tenant) == (UNKEPT, UNKEPT, "blue")
    assert current() is None


async def test_outside_of_traces_nothing_is_done() -> None:
    """But a caller's baggage reaches a hosted agent."""
    bare, laden = Leaf(), Leaf()
    await spanned(Spans(), "n2")(call(InstanceKind.HOSTED, None), bare)
    await spanned(Spans(), "n2")(call(InstanceKind.HOSTED, None, baggage="tenant=blue"), laden)
    assert (bare.span, bare.current, laden.current, laden.tenant) == (None, None, None, "blue")
