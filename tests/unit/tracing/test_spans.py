"""Spans made by hand: which traces are kept, and what is told of them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import SpanKind

from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import AgentNotFound, CallCancelled, DeadlineExceeded
from a2a_node.model.trace import Trace
from a2a_node.tracing.context import current
from a2a_node.tracing.outcome import outcome_of
from a2a_node.tracing.spans import Span, Spans, Told

PARENT = Trace(7, 8, sampled=True, state="s=1")


def tell(_: Call) -> Told:
    """What all spans here are of."""
    return Told("work", SpanKind.INTERNAL, {})


def kept_elsewhere(_: Span) -> None:
    """Where spans go at which nobody looks."""


def raising(error: BaseException | None) -> Proceed:
    """The rest of a call that raises this."""

    async def rest(_: Call) -> None:
        if error is not None:
            raise error

    return rest


def test_without_anybody_to_keep_them_there_are_none() -> None:
    """The caller's place goes on, and no new trace begins."""
    spans = Spans()
    assert spans.below(None) is None
    assert spans.below(PARENT) is PARENT
    assert not spans.keeps(PARENT)


def test_a_trace_that_its_caller_keeps_is_kept() -> None:
    """In a new span with the same state, whatever the share of new traces; one that is not kept goes on as it is."""
    spans = Spans(kept_elsewhere, 0.0)
    below = spans.below(PARENT)
    assert below is not None
    assert (below.trace_id, below.sampled, below.state) == (7, True, "s=1")
    assert below.span_id != PARENT.span_id
    unkept = Trace(7, 8, sampled=False)
    assert spans.below(unkept) is unkept


@given(st.floats(0, 1))
def test_new_traces_are_kept_as_the_sdk_would_keep_them(ratio: float) -> None:
    """By their ids alone, so that every node and every language decides alike."""
    fresh = Spans(kept_elsewhere, ratio).below(None)
    assert fresh is not None
    decided = TraceIdRatioBased(ratio).should_sample(None, fresh.trace_id, "x")
    assert fresh.sampled == (decided.decision is Decision.RECORD_AND_SAMPLE)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (None, "OK", ""),
        (AgentNotFound("x"), "NOT_FOUND", "AGENT_NOT_FOUND"),
        (DeadlineExceeded(1.0), "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        (CallCancelled("c", "why"), "CANCELLED", "CALL_CANCELLED"),
        (asyncio.CancelledError(), "CANCELLED", "CALL_CANCELLED"),
        (ValueError("hush"), "INTERNAL", "INTERNAL"),
    ],
)
async def test_a_span_ends_however_its_work_ends(error: BaseException | None, code: str, reason: str) -> None:
    """It says how, in codes and reasons, and its parent is current again."""
    kept: list[Span] = []
    spans = Spans(kept.append)
    call = Call("/m", raising(error), trace=spans.below(PARENT))
    with nullcontext() if error is None else pytest.raises(type(error)):
        await spans.around(call, call.rest, PARENT, tell)
    (span,) = kept
    assert (span.outcome.code, span.outcome.reason) == (code, reason)
    assert (span.trace, span.parent) == (call.trace, PARENT)
    assert span.begun <= span.ended
    assert current() is None


async def test_what_runs_inside_is_below() -> None:
    """Whatever asks for the current span finds it."""
    seen: list[Trace | None] = []

    async def rest(_: Call) -> None:
        seen.append(current())

    spans = Spans(kept_elsewhere)
    call = Call("/m", rest, trace=spans.below(None))
    await spans.around(call, rest, None, tell)
    assert seen == [call.trace]


@pytest.mark.parametrize("code", ["INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNIMPLEMENTED"])
def test_a_servers_own_faults_are_told_from_its_callers(code: str) -> None:
    """A refusal is no fault of the node, and one of the call that was made."""
    refused, fault = outcome_of(AgentNotFound("x")), AgentNotFound("x")
    fault.code = code
    assert [refused.is_fault(kind) for kind in (SpanKind.SERVER, SpanKind.CLIENT)] == [False, True]
    assert outcome_of(fault).is_fault(SpanKind.SERVER)
    assert not outcome_of(asyncio.CancelledError()).is_fault(SpanKind.CLIENT)
