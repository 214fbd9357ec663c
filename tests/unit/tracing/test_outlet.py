"""The way of spans to their exporter: bounded, counted, and never in the way of calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.trace import Trace
from a2a_node.tracing import Export, exporting
from a2a_node.tracing.counts import Counts
from a2a_node.tracing.outcome import Outcome
from a2a_node.tracing.outlet import ROOM, Discreet, Outlet, readable
from a2a_node.tracing.spans import Span, Told

RESOURCE = Resource({"service.name": "node"})


class Scripted(SpanExporter):
    """An exporter that answers as told, once it is let go."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.spans: list[ReadableSpan] = []
        self.go_on = threading.Event()
        self.shut = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take spans, or not."""
        self.go_on.wait()
        self.spans += spans
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def shutdown(self) -> None:
        """End, as exporters do, whatever they wait for."""
        self.shut += 1
        self.go_on.set()


def span(name: str = "work", kind: SpanKind = SpanKind.SERVER, outcome: Outcome | None = None) -> Span:
    """A span that has ended."""
    told = Told(name, kind, {"a2a.agent": "echo"})
    return Span(told, Trace(1, 2, sampled=True, state="s=1"), Trace(1, 1, sampled=True), 5, 9, outcome or Outcome())


async def test_what_was_taken_arrives_and_is_counted() -> None:
    """At the latest when the outlet closes."""
    exporter, counts = Scripted(), Counts()
    outlet = Outlet(exporter, RESOURCE, counts)
    exporter.go_on.set()
    for number in range(3):
        outlet.keep(span(str(number)))
    await outlet.closed()
    assert [each.name for each in exporter.spans] == ["0", "1", "2"]
    assert counts.outcomes() == {"exported": 3, "failed": 0, "dropped": 0}
    assert exporter.shut == 1
    outlet.keep(span())  # too late, and no harm
    assert counts.waiting == 0


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, ValueError("broken")])
async def test_what_is_not_taken_is_counted(result: SpanExportResult | Exception) -> None:
    """Whether the exporter says so or breaks."""
    exporter, counts = Scripted(result), Counts()
    outlet = Outlet(exporter, RESOURCE, counts)
    exporter.go_on.set()
    outlet.keep(span())
    await outlet.closed()
    assert counts.outcomes() == {"exported": 0, "failed": 1, "dropped": 0}


async def test_what_finds_no_room_is_dropped_and_counted() -> None:
    """While the receiver is slow, memory stays as it is and calls go on."""
    exporter, counts = Scripted(), Counts()
    outlet = Outlet(exporter, RESOURCE, counts)
    for _ in range(ROOM + 10):
        outlet.keep(span())
    assert (counts.waiting, counts.dropped) == (ROOM, 10)
    exporter.go_on.set()
    await outlet.closed()
    assert counts.outcomes() == {"exported": ROOM, "failed": 0, "dropped": 10}


async def test_an_exporter_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shut down, and what it had is lost."""
    monkeypatch.setattr("a2a_node.tracing.outlet.FAREWELL", 0.01)
    exporter, counts = Scripted(SpanExportResult.FAILURE), Counts()
    outlet = Outlet(exporter, RESOURCE, counts)
    outlet.keep(span())
    async with asyncio.timeout(5):
        await outlet.closed()
    assert (exporter.shut, counts.failed) == (1, 1)


def test_a_span_of_ours_reads_like_the_sdks() -> None:
    """With its ids, times, kind and outcome."""
    read = readable(span("call echo/say", SpanKind.CLIENT, Outcome("NOT_FOUND", "AGENT_NOT_FOUND")), RESOURCE)
    assert (read.name, read.kind, read.start_time, read.end_time) == ("call echo/say", SpanKind.CLIENT, 5, 9)
    assert (read.context.trace_id, read.context.span_id, read.context.trace_state.to_header()) == (1, 2, "s=1")
    assert read.parent is not None
    assert read.parent.span_id == 1
    assert (read.status.status_code, read.status.description) == (StatusCode.ERROR, "AGENT_NOT_FOUND")
    expected = {"a2a.agent": "echo", "rpc.grpc.status_code": 5, "a2a.reason": "AGENT_NOT_FOUND"}
    assert read.attributes == expected


async def test_the_words_of_a_stores_errors_stay_here() -> None:
    """What packaged instrumentation records of them quotes keys and values."""
    exporter = Scripted()
    outlet = Outlet(exporter, RESOURCE, Counts())
    exporter.go_on.set()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Discreet(outlet))
    asked = provider.get_tracer("x").start_span("INSERT")
    asked.set_attribute("db.statement", "INSERT INTO grants VALUES ($1)")
    asked.set_status(Status(StatusCode.ERROR, "Key (id)=(hush) already exists."))
    asked.record_exception(ValueError("hush"))
    asked.end()
    await outlet.closed()
    (sent,) = exporter.spans
    assert "hush" not in sent.to_json()
    assert (sent.status.status_code, sent.name) == (StatusCode.ERROR, "INSERT")
    assert sent.attributes == {"db.statement": "INSERT INTO grants VALUES ($1)"}


async def test_nothing_is_made_where_nothing_is_wanted() -> None:
    """Without an endpoint there are no spans, and no providers."""
    async with exporting(Export()) as tracing:
        assert tracing.spans.below(None) is None
        assert (tracing.applications, tracing.stores) == (None, None)


async def test_another_protocol_is_refused() -> None:
    """By the name of the setting."""
    with pytest.raises(SettingInvalid, match="grpc, http"):
        async with exporting(Export("http://127.0.0.1:4317", protocol="smoke")):
            pass
