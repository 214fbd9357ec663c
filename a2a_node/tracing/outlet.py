"""The SDK's part: spans of our own and of its, in one bounded queue, to one exporter, in a thread beside the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, ParentBasedTraceIdRatio, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Status, StatusCode

from a2a_node.model.errors import SettingInvalid
from a2a_node.tracing.context import span_context
from a2a_node.tracing.counts import Counts
from a2a_node.tracing.exporting import Export, Tracing
from a2a_node.tracing.spans import Span, Spans

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ROOM = 4096  # spans that may wait, about 1.5 KiB each
BATCH = 256  # spans in a request
DELAY = 1000  # milliseconds that spans wait for others to go with
TIMEOUT = 5.0  # seconds for a request and its repetitions
FAREWELL = 3.0  # seconds that spans get which wait at the end
SCOPE = InstrumentationScope("a2a_node")
FAILED = Status(StatusCode.ERROR)
FINE = Status(StatusCode.UNSET)


@asynccontextmanager
async def opened(export: Export) -> AsyncIterator[Tracing]:
    """Export until the block ends, and for a few seconds then; SettingInvalid."""
    counts, exporter = Counts(), exporter_to(export)
    resource = Resource.create({"service.name": export.service, **export.about})
    outlet = Outlet(exporter, resource, counts)
    applications = _provider(resource, ParentBasedTraceIdRatio(export.ratio), outlet)
    stores = _provider(resource, ParentBased(ALWAYS_OFF), Discreet(outlet))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(applications)
    try:
        yield Tracing(Spans(outlet.keep, export.ratio), counts, applications, stores)
    finally:
        await outlet.closed()


def exporter_to(export: Export) -> SpanExporter:
    """The exporter of the protocol; SettingInvalid for an endpoint that is none."""
    endpoint = checked(export.endpoint)
    if export.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as over_grpc  # noqa: PLC0415 - one of the two

        return over_grpc.OTLPSpanExporter(endpoint, headers=tuple(export.headers.items()), timeout=TIMEOUT)
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as over_http  # noqa: PLC0415 - one of the two

    url = endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"
    return over_http.OTLPSpanExporter(url, headers=dict(export.headers), timeout=TIMEOUT)


def checked(endpoint: str) -> str:
    """An endpoint that is one; SettingInvalid, without its text."""
    try:
        parts = urlsplit(endpoint)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or parts.username is not None:
        raise SettingInvalid(
            "trace_endpoint", "must look like http://host:4317 or https://host:4317; keys belong in A2A_TRACE_HEADERS"
        )
    return endpoint


class Outlet(SpanProcessor):
    """Takes spans that have ended, as many as there is room for, and hands them to the exporter's thread."""

    def __init__(self, exporter: SpanExporter, resource: Resource, counts: Counts) -> None:
        self._exporter, self._resource, self._counts = _Counted(exporter, counts), resource, counts
        # Twice the room, because what is over it must not be found out by the library: that logs every single span.
        self._batches = BatchSpanProcessor(
            self._exporter, max_queue_size=2 * ROOM, schedule_delay_millis=DELAY, max_export_batch_size=BATCH
        )
        self._closed = False

    def keep(self, span: Span) -> None:
        """Take a span of ours."""
        if not self._closed and self._counts.admitted(ROOM):
            self._batches.on_end(readable(span, self._resource))

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span of the SDK's."""
        kept = span.context is not None and span.context.trace_flags.sampled
        if kept and not self._closed and self._counts.admitted(ROOM):
            self._batches.on_end(span)

    async def closed(self) -> None:
        """Take no more, and wait until what waits has been exported, for `FAREWELL` seconds at most."""
        self._closed = True
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def close() -> None:
            self._batches.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # nobody waited so long
                loop.call_soon_threadsafe(over.cancel)

        # A daemon, and not of the loop's executor: neither the loop nor the process may wait for it.
        threading.Thread(target=close, name="a2a-trace-farewell", daemon=True).start()
        await asyncio.wait([over], timeout=FAREWELL)
        if not over.done():
            self._exporter.shutdown()  # ends its repetitions
            await asyncio.wait([over], timeout=1.0)
        if self._counts.waiting or not over.done():
            log.warning("spans were lost: their receiver did not take them in time", spans=self._counts.waiting)


class Discreet(SpanProcessor):
    """Takes what packaged instrumentation records and leaves out the words of errors, which quote keys and values."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span of the SDK's."""
        self._outlet.on_end(
            ReadableSpan(
                span.name,
                context=span.context,
                parent=span.parent,
                resource=span.resource,
                attributes=span.attributes,
                kind=span.kind,
                status=Status(span.status.status_code),
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )


class _Counted(SpanExporter):
    """An exporter, and what becomes of its spans."""

    def __init__(self, exporter: SpanExporter, counts: Counts) -> None:
        self._exporter, self._counts = exporter, counts
        self._shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, in the exporter's thread."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._counts.ended(len(spans), exported=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        if not self._shut:
            self._shut = True
            self._exporter.shutdown()


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """A span of ours as exporters read it."""
    told, outcome = span.told, span.outcome
    told.attributes.update(outcome.attributes())
    fault = outcome.is_fault(told.kind)
    return ReadableSpan(
        told.name,
        context=span_context(span.trace),
        parent=None if span.parent is None else span_context(span.parent),
        resource=resource,
        attributes=told.attributes,
        kind=told.kind,
        status=Status(StatusCode.ERROR, outcome.reason) if fault else FINE,
        start_time=span.begun,
        end_time=span.ended,
        instrumentation_scope=SCOPE,
    )


def _provider(resource: Resource, sampler: Sampler, processor: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)  # the block's end is earlier, and bounded
    provider.add_span_processor(processor)
    return provider
