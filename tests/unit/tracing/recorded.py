"""What the process's tracer provider is given, for tests to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider


class Recorded(SpanProcessor):
    """The spans that have ended, in order."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.listens = True

    def on_end(self, span: ReadableSpan) -> None:
        """Keep one."""
        if self.listens:
            self.spans.append(span)

    def names(self) -> list[str]:
        """Their names."""
        return [span.name for span in self.spans]

    def parents(self) -> dict[str, str]:
        """The name of each one's parent, empty for none among them."""
        by_id = {span.context.span_id: span.name for span in self.spans}
        return {span.name: by_id.get(span.parent.span_id, "") if span.parent else "" for span in self.spans}


@contextmanager
def recording() -> Iterator[Recorded]:
    """Hear what ends in the block; a provider keeps its processors for good, so this one falls deaf afterwards."""
    provider, recorded = trace.get_tracer_provider(), Recorded()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(recorded)
    try:
        yield recorded
    finally:
        recorded.listens = False
