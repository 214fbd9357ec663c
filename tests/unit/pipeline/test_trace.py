"""The trace layer."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from opentelemetry.trace import SpanKind

from a2a_node.model.call import Call
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.trace import Trace
from a2a_node.pipeline.trace import trace
from a2a_node.tracing.spans import Span, Spans
from tests.unit.mesh.calls import passed_through

METHOD = "/a2amesh.v1.AgentService/Invoke"
PARENT = Trace(7, 8, sampled=True)


async def rest(_: Call) -> None:
    """Nothing more."""


async def refused(_: Call) -> None:
    """What nobody may."""
    raise Unauthenticated


def call(metadata: Mapping[str, str] | None = None, method: str = METHOD) -> Call:
    """A call of echo."""
    return Call(method, rest, metadata or {}, agent="echo", capability="say", id="c1")


async def test_a_refused_call_has_a_span() -> None:
    """Because this layer is outside of those that refuse."""
    kept: list[Span] = []
    asked = call({"traceparent": str(PARENT), "tracestate": "s=1"})
    with pytest.raises(Unauthenticated):
        await trace(Spans(kept.append))(asked, refused)
    (span,) = kept
    assert span.told.name == METHOD[1:]
    assert span.told.kind is SpanKind.SERVER
    assert span.told.attributes == {
        "rpc.system": "grpc",
        "rpc.service": "a2amesh.v1.AgentService",
        "rpc.method": "Invoke",
        "a2a.agent": "echo",
        "a2a.capability": "say",
        "a2a.call": "c1",
    }
    assert (span.parent, span.outcome.reason) == (Trace(7, 8, sampled=True, state="s=1"), "UNAUTHENTICATED")


async def test_a_call_from_inside_is_below_the_work_that_makes_it() -> None:
    """Whatever its metadata say."""
    kept: list[Span] = []
    asked = call({"traceparent": str(Trace(1, 1, sampled=True))})
    asked.trace = PARENT
    await trace(Spans(kept.append))(asked, rest)
    assert kept[0].parent == PARENT


@pytest.mark.parametrize("said", ["", "garbage", f"00-{'0' * 32}-{'0' * 16}-01"])
async def test_what_makes_no_sense_begins_a_trace_anew(said: str) -> None:
    """Nobody is refused for it."""
    kept: list[Span] = []
    await trace(Spans(kept.append))(call({"traceparent": said}), rest)
    assert kept[0].parent is None


async def test_what_is_not_kept_has_its_ids() -> None:
    """So that logs and the audit can be joined all the same."""
    kept: list[Span] = []
    asked = call()
    await trace(Spans(kept.append, 0.0))(asked, rest)
    assert asked.trace is not None
    assert (asked.trace.sampled, kept) == (False, [])


async def test_a_node_that_keeps_nothing_knows_the_callers_place() -> None:
    """And has none of its own."""
    layer, told, untold = trace(Spans()), call({"traceparent": str(PARENT)}), call()
    await layer(told, rest)
    await layer(untold, rest)
    assert (told.trace, untold.trace) == (PARENT, None)


async def test_invented_names_are_cut() -> None:
    """A span has at most a few hundred bytes, whatever a stranger sends."""
    kept: list[Span] = []
    asked = call(method=f"/{'x' * 5000}/{'y' * 5000}")
    asked.agent = asked.capability = "z" * 100_000
    await trace(Spans(kept.append))(asked, rest)
    assert len(str(kept[0].told)) < 1000


async def test_what_is_passed_through_is_told_by_the_agents_own_method() -> None:
    """Not by the one word that stands for all of them."""
    kept: list[Span] = []
    asked = call()
    asked.capability = "orders.v1.Orders/Place"
    await trace(Spans(kept.append))(passed_through(asked), rest)
    told = kept[0].told
    assert told.name == "orders.v1.Orders/Place"
    assert (told.attributes["rpc.service"], told.attributes["rpc.method"]) == ("orders.v1.Orders", "Place")
