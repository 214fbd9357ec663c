"""The span of a call to a node, in the process that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from a2a_node.tracing.context import Entries, carried, carried_from
from a2a_node.tracing.outcome import outcome_of, settle

_tracer = trace.get_tracer("a2a_node.client")


@contextmanager
def asking(rpc: str) -> Iterator[Entries]:
    """Make a call inside a span, where the process has a tracer provider; yields the metadata by which the call joins.

    The span ends when the call is cancelled, too, and when nobody reads a stream to its end; the packaged interceptors
    leave both open. It is current for nobody: whoever reads a stream does other things in between.
    """
    span = _tracer.start_span(f"a2amesh.v1.{rpc}", kind=SpanKind.CLIENT)
    if not span.is_recording():
        yield carried()
        return
    failure: BaseException | None = None
    try:
        yield carried_from(span.get_span_context())
    except BaseException as error:
        failure = error
        raise
    finally:
        settle(span, SpanKind.CLIENT, outcome_of(failure))
        span.end()
