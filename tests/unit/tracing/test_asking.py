"""The span of a call that a client makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from opentelemetry import trace
from opentelemetry.context import detach

from a2a_node.model.errors import AgentNotFound
from a2a_node.model.trace import Trace
from a2a_node.tracing.asking import asking
from a2a_node.tracing.context import carried, entered
from tests.unit.tracing.recorded import recording

RPC = "AgentService/Invoke"


async def streamed() -> AsyncGenerator[int, None]:
    """What a client reads, as long as it wants."""
    with asking(RPC):
        for number in range(10):
            yield number


def test_a_call_joins_its_own_span() -> None:
    """Which is below the current one, and current for nobody."""
    before = entered(Trace(7, 8, sampled=True))
    with recording() as recorded, asking(RPC) as joins:
        assert dict(carried()) == {"traceparent": f"00-{7:032x}-{8:016x}-01"}
    detach(before)
    (span,) = recorded.spans
    assert (span.name, span.kind.name, span.attributes) == (f"a2amesh.v1.{RPC}", "CLIENT", {"rpc.grpc.status_code": 0})
    assert span.parent is not None
    assert span.parent.span_id == 8
    assert dict(joins) == {"traceparent": f"00-{7:032x}-{span.context.span_id:016x}-01"}


def test_what_is_not_kept_goes_on_as_it_is() -> None:
    """Without a span."""
    before = entered(Trace(7, 8, sampled=False))
    with recording() as recorded, asking(RPC) as joins:
        assert joins == carried()
    detach(before)
    assert recorded.spans == []


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [(AgentNotFound("hush"), "ERROR", "AGENT_NOT_FOUND"), (asyncio.CancelledError(), "UNSET", "CALL_CANCELLED")],
)
def test_a_call_that_fails_ends_its_span(failure: BaseException, status: str, reason: str) -> None:
    """Be it cancelled; by its reason, and without its words."""
    with recording() as recorded, pytest.raises(type(failure)), asking(RPC):
        raise failure
    (span,) = recorded.spans
    assert span.attributes is not None
    assert (span.status.status_code.name, span.attributes["a2a.reason"]) == (status, reason)
    assert "hush" not in span.to_json()


async def test_a_stream_that_nobody_reads_to_the_end_ends_its_span() -> None:
    """When it is closed; its reader is never inside of it."""
    with recording() as recorded:
        stream = streamed()
        assert await anext(stream) == 0
        assert trace.get_current_span() is trace.INVALID_SPAN
        await stream.aclose()
    (span,) = recorded.spans
    assert span.attributes is not None
    assert span.attributes["a2a.reason"] == "CALL_CANCELLED"
