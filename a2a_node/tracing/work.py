"""The span of an agent's work, in the process that it runs in, below the span of the node that called it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import detach
from opentelemetry.trace import SpanKind

from a2a_node.model.trace import BAGGAGE, received
from a2a_node.tracing.context import entered
from a2a_node.tracing.outcome import outcome_of, settle

_tracer = trace.get_tracer("a2a_node")  # of whichever provider the process has once it has one


@contextmanager
def working(agent: str, capability: str, call_id: str, said: Mapping[str, str]) -> Iterator[None]:
    """Let an agent work for a call; `said` is the metadata that the node sent, whose trace and baggage go on from here.

    The span goes to the process's own tracer provider; without one the node's span is the one that goes on.
    """
    before = entered(received(said), said.get(BAGGAGE, ""))
    try:
        with _span(agent, capability, call_id):
            yield
    finally:
        detach(before)


@contextmanager
def _span(agent: str, capability: str, call_id: str) -> Iterator[None]:
    about = {"a2a.agent": agent, "a2a.capability": capability, "a2a.call": call_id}
    with _tracer.start_as_current_span(
        f"work {agent}/{capability}",
        kind=SpanKind.SERVER,
        attributes=about,
        record_exception=False,  # its words may hold secrets
        set_status_on_exception=False,
    ) as span:
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            settle(span, SpanKind.SERVER, outcome_of(failure))
