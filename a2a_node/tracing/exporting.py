"""Where spans go: an OTLP receiver, over gRPC or HTTP. The SDK is imported once somebody wants that, not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.trace import TracerProvider

from a2a_node.model.errors import SettingInvalid
from a2a_node.tracing.counts import Counts
from a2a_node.tracing.spans import Spans

PROTOCOLS = ("grpc", "http")


@dataclass(frozen=True, slots=True)
class Export:
    """Where spans go, whose they are, and how many of them are kept."""

    endpoint: str = ""  # http://host:4317; empty means that none are kept
    service: str = "a2a-agent"
    protocol: str = "grpc"  # or "http"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # sent along, mostly a key
    ratio: float = 1.0  # of new traces; a caller's own decision is followed
    about: Mapping[str, str] = field(default_factory=dict)  # further attributes of the resource


@dataclass(frozen=True, slots=True)
class Tracing:
    """What a process makes spans with; the providers are None where none are kept."""

    spans: Spans = field(default_factory=Spans)
    counts: Counts = field(default_factory=Counts)
    applications: TracerProvider | None = None  # for `traced`, and for whatever agents use
    stores: TracerProvider | None = None  # keeps spans below others only: what a node does by itself is no trace


@asynccontextmanager
async def exporting(export: Export) -> AsyncIterator[Tracing]:
    """Export spans until the block ends; those that wait then get 3 s.

    The process's tracer provider is set, unless it has one. A receiver that is away costs spans, which are counted, and
    nothing else. SettingInvalid says what is wrong with the endpoint.
    """
    if not export.endpoint:
        yield Tracing()
        return
    if export.protocol not in PROTOCOLS:
        raise SettingInvalid("trace_protocol", f"must be one of {', '.join(PROTOCOLS)}")
    from a2a_node.tracing.outlet import opened  # noqa: PLC0415 - the SDK and its exporters, for those who trace

    async with opened(export) as tracing:
        yield tracing
