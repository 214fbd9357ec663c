"""The span of an agent's work in its own process."""

from __future__ import annotations

import pytest

from a2a_node.model.errors import AgentFailed, AgentRefused
from a2a_node.tracing.context import carried, current
from a2a_node.tracing.work import working
from tests.unit.tracing.recorded import recording

SAID = {"traceparent": f"00-{7:032x}-{8:016x}-01", "tracestate": "s=1", "baggage": "tenant=blue"}


def test_work_is_below_the_nodes_span_and_goes_on_from_there() -> None:
    """A call that the agent makes is below its work, with the baggage and the state that came."""
    with recording() as recorded, working("echo", "say", "c1", SAID):
        goes_on = dict(carried())
    (span,) = recorded.spans
    assert span.parent is not None
    assert (span.parent.span_id, span.context.trace_id) == (8, 7)
    assert goes_on == {**SAID, "traceparent": f"00-{7:032x}-{span.context.span_id:016x}-01"}
    assert (span.name, span.kind.name) == ("work echo/say", "SERVER")
    about = {"a2a.agent": "echo", "a2a.capability": "say", "a2a.call": "c1", "rpc.grpc.status_code": 0}
    assert span.attributes == about
    assert current() is None


@pytest.mark.parametrize(
    ("failure", "status"), [(AgentFailed("echo", "say"), "ERROR"), (AgentRefused("hush"), "UNSET")]
)
def test_work_that_fails_says_why_without_its_words(failure: Exception, status: str) -> None:
    """By its reason; a refusal is the agent's right."""
    with recording() as recorded, pytest.raises(type(failure)), working("echo", "say", "c1", {}):
        raise failure
    (span,) = recorded.spans
    assert span.status.status_code.name == status
    assert span.attributes is not None
    assert span.attributes["a2a.reason"] == vars(type(failure))["reason"]
    assert "hush" not in span.to_json()
