"""The current place in a trace, as libraries see it and as it travels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from a2a_node.model.call import Call
from a2a_node.model.trace import Trace
from a2a_node.tracing.context import carried, carried_by, current, current_baggage, entered

HERE = Trace(0xA << 120, 0xB, sampled=True, state="one=1,two=2")
PARENT = f"00-0a{'0' * 30}-000000000000000b-01"


async def rest(_: Call) -> None:
    """Nothing more."""


@contextmanager
def within(here: Trace | None, said: str = "") -> Iterator[None]:
    """Be there in a block."""
    before = entered(here, said)
    try:
        yield
    finally:
        detach(before)


def test_outside_of_traces_nothing_is_carried() -> None:
    """Callers that do not trace send what they always sent."""
    assert current() is None
    assert carried() == ()


def test_libraries_see_our_span_as_theirs() -> None:
    """With all that it says, until it is left."""
    with within(HERE):
        seen = trace.get_current_span().get_span_context()
        assert (seen.trace_id, seen.span_id, seen.trace_flags.sampled) == (HERE.trace_id, HERE.span_id, True)
        assert seen.trace_state.to_header() == HERE.state
        assert not trace.get_current_span().is_recording()
        assert current() == HERE
        assert carried() == (("traceparent", PARENT), ("tracestate", "one=1,two=2"))
    assert current() is None


def test_we_see_the_span_of_a_library_as_ours() -> None:
    """An application that traces by itself is continued."""
    theirs = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("one", "1")]))
    before = attach(set_span_in_context(NonRecordingSpan(theirs)))
    assert current() == Trace(1, 2, sampled=True, state="one=1")
    detach(before)


def test_baggage_goes_on_as_it_came_and_as_it_was_changed() -> None:
    """With or without a trace, as OpenTelemetry keeps it."""
    with within(None, "tenant=blue%20one,tier=2;hidden=1"):
        assert baggage.get_baggage("tenant") == "blue one"
        changed = attach(baggage.set_baggage("tier", "3"))
        assert carried() == (("baggage", "tenant=blue+one,tier=3"),)
        detach(changed)
    assert current_baggage() == ""


def test_baggage_beyond_the_bound_stays_behind() -> None:
    """Neither kept nor sent on."""
    long = f"k={'x' * 8192}"
    with within(HERE, long):
        assert baggage.get_all() == {}
    assert carried_by(Call("/m", rest, {"baggage": long})) == ()


def test_a_call_carries_its_own_span_and_its_callers_baggage() -> None:
    """To whoever serves it."""
    call = Call("/m", rest, {"baggage": "tenant=blue", "authorization": "hush"}, trace=HERE)
    assert carried_by(call) == (("traceparent", PARENT), ("tracestate", HERE.state), ("baggage", "tenant=blue"))
    assert carried_by(Call("/m", rest)) == ()


@pytest.mark.parametrize("said", ["nonsense", "k=v,,;=x", "=", "k=%zz", ",".join(f"k{n}=v" for n in range(300))])
def test_nobody_logs_what_strangers_send(said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither their baggage nor their state, which would be a line for every call."""
    with within(Trace(1, 2, sampled=True, state=said[:512]), said):
        assert trace.get_current_span().get_span_context().is_valid
        carried()
    assert caplog.records == []
