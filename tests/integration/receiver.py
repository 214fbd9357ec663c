"""A real OTLP receiver in the test's own process, over gRPC or HTTP, and what it has heard."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

Attributes: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it came over the wire."""

    name: str
    kind: str  # SERVER, CLIENT or INTERNAL
    code: str  # UNSET or ERROR
    description: str
    trace_id: int
    span_id: int
    parent_id: int  # 0 for none
    state: str
    attributes: Attributes
    resource: Attributes
    raw: str  # all of it, as text

    @property
    def store(self) -> str:
        """The kind of store that was asked; empty for all else."""
        return str(self.attributes.get("db.system", ""))

    @property
    def service(self) -> object:
        """Whose span it is."""
        return self.resource["service.name"]


class Receiver:
    """Spans of every request so far, and the headers of the last one."""

    def __init__(self) -> None:
        self.address = ""
        self.headers: Mapping[str, str] = {}
        self._spans: list[Seen] = []
        self._news = threading.Condition()

    def take(self, request: pb.ExportTraceServiceRequest, headers: Mapping[str, str]) -> None:
        """Take a request."""
        with self._news:
            self.headers = headers
            self._spans += seen(request)
            self._news.notify_all()

    @property
    def spans(self) -> Sequence[Seen]:
        """What was heard so far."""
        with self._news:
            return [*self._spans]

    def one(self, name: str) -> Seen:
        """The only span of a name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def below(self, parent: Seen) -> Sequence[Seen]:
        """The spans whose parent that one is, but for those of stores."""
        return [span for span in self.spans if span.parent_id == parent.span_id and not span.store]

    async def until(self, heard: Callable[[Sequence[Seen]], bool], timeout: float = 20.0) -> None:  # noqa: ASYNC109
        """Wait until what was heard is enough."""

        def wait() -> bool:
            with self._news:
                return self._news.wait_for(lambda: heard(self._spans), timeout)

        assert await asyncio.to_thread(wait), [span.name for span in self.spans]


def seen(request: pb.ExportTraceServiceRequest) -> Iterator[Seen]:
    """The spans of a request."""
    for group in request.resource_spans:
        resource = attributes(group.resource.attributes)
        for scope in group.scope_spans:
            yield from (_seen(span, resource) for span in scope.spans)


def _seen(span: trace_pb2.Span, resource: Attributes) -> Seen:
    return Seen(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        code=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        description=span.status.message,
        trace_id=int.from_bytes(span.trace_id),
        span_id=int.from_bytes(span.span_id),
        parent_id=int.from_bytes(span.parent_span_id),
        state=span.trace_state,
        attributes=attributes(span.attributes),
        resource=resource,
        raw=str(span),
    )


def attributes(pairs: Sequence[KeyValue]) -> Attributes:
    """Attributes by name."""
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}


@contextmanager
def over_grpc() -> Iterator[Receiver]:
    """A receiver of OTLP over gRPC until the block ends."""
    receiver = Receiver()

    class Collector(service.TraceServiceServicer):
        def Export(  # noqa: N802 - gRPC's word
            self, request: pb.ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> pb.ExportTraceServiceResponse:
            headers = {name: str(value) for name, value in context.invocation_metadata()}
            receiver.take(request, headers)
            return pb.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    service.add_TraceServiceServicer_to_server(Collector(), server)  # type: ignore[no-untyped-call]
    receiver.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


@contextmanager
def over_http() -> Iterator[Receiver]:
    """A receiver of OTLP over HTTP until the block ends."""
    receiver = Receiver()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            known = self.path == "/v1/traces"
            if known:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.take(pb.ExportTraceServiceRequest.FromString(body), headers)
            self.send_response(200 if known else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its own word
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    receiver.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


OVER = {"grpc": over_grpc, "http": over_http}
