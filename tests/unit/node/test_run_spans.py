"""The spans of runs, whoever goes on with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from a2a_node.model.errors import AgentRefused
from a2a_node.model.principal import Principal
from a2a_node.model.runs import Run, Wishes
from a2a_node.model.trace import Trace
from a2a_node.model.warrants import Warrant
from a2a_node.node.run_spans import RunSpans
from a2a_node.tracing.spans import Span, Spans
from a2a_node.wire.warrants import from_warrant, to_warrant
from tests.unit.workflows.walks import BEGIN, paper

START = Trace(7, 8, sampled=True)
SECOND = timedelta(seconds=1)


def begun(trace: Trace | None) -> Run:
    """A run that was started there."""
    warrant = Warrant("r1", Principal("person", "ada"), trace=trace)
    return replace(paper("name: t\nsteps: {a: {agent: x}}")[0].run, authority=from_warrant(warrant))


def spans_of(run: Run) -> list[Span]:
    """Those of a run and its step, as another engine would keep them."""
    kept: list[Span] = []
    spans = RunSpans(Spans(kept.append))
    spans.step_ended(run, "a", BEGIN, BEGIN + SECOND, AgentRefused("no"))
    spans.run_ended(run, BEGIN, BEGIN + 2 * SECOND, None)
    return kept


def test_every_engine_goes_on_in_the_same_spans() -> None:
    """Below the call that started the run; what a step calls is below the step's span."""
    run = begun(START)
    step, whole = spans_of(run)
    assert [(span.trace, span.parent) for span in spans_of(run)] == [(step.trace, whole.trace), (whole.trace, START)]
    assert to_warrant(RunSpans(Spans(print)).below(run, "a").authority).trace == step.trace
    assert (step.told.name, whole.told.name, step.outcome.reason) == ("step a", "run t", "AGENT_REFUSED")
    assert (whole.ended - whole.begun, step.told.attributes["a2a.run"]) == (2_000_000_000, "r1")


def test_a_run_that_is_taken_up_again_has_a_span_of_its_own() -> None:
    """In the same trace."""
    run = begun(START)
    again = spans_of(replace(run, wishes=Wishes(group=2)))[1]
    assert again.trace != spans_of(run)[1].trace
    assert (again.parent, again.told.attributes["a2a.attempt_group"]) == (START, 2)


def test_a_run_that_no_call_started_begins_a_trace() -> None:
    """The same at every engine."""
    run = begun(None)
    step, whole = spans_of(run)
    assert whole.parent is None
    assert step.parent == whole.trace
    assert spans_of(run)[1].trace == whole.trace


@pytest.mark.parametrize("trace", [None, START, replace(START, sampled=False)])
def test_without_a_receiver_nothing_changes(trace: Trace | None) -> None:
    """Nor where the trace is not kept."""
    run, spans = begun(trace), RunSpans(Spans())
    spans.step_ended(run, "a", BEGIN, BEGIN, None)
    spans.run_ended(run, BEGIN, BEGIN, None)
    assert spans.below(run, "a") is run
    if trace is not None and not trace.sampled:
        assert spans_of(run) == []
