"""The spans of runs: one for each run, one below it for each of its steps, below which the step's call goes on.

Their ids follow from those of the run and the step, so that an engine that takes a run over goes on in its spans. They
are below whatever started the run, by the warrant that is kept with it; one that was started by nobody's call, as a
schedule does, begins a trace of its own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from opentelemetry.trace import SpanKind

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import Run
from a2a_node.model.trace import Trace
from a2a_node.tracing.outcome import outcome_of
from a2a_node.tracing.spans import LENGTH, Span, Spans, Told
from a2a_node.wire.warrants import from_warrant, to_warrant


class RunSpans:
    """The port `Traces` on the spans of a process."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def below(self, run: Run, step_id: str) -> Run:
        """The run, by whose authority calls and other runs are below the span of a step."""
        here = self._step(run, step_id) if self._spans.kept else None
        if here is None:
            return run
        return replace(run, authority=from_warrant(replace(to_warrant(run.authority), trace=here)))

    def step_ended(self, run: Run, step_id: str, begun: datetime, ended: datetime, error: MeshError | None) -> None:
        """Keep the span of a step."""
        if self._spans.kept:
            told = Told(f"step {step_id}"[:LENGTH], SpanKind.INTERNAL, {**_about(run), "a2a.step": step_id})
            self._keep(told, (self._step(run, step_id), self._run(run)), (begun, ended), error)

    def run_ended(self, run: Run, begun: datetime, ended: datetime, error: MeshError | None) -> None:
        """Keep the span of a run, or of one time that it was taken up again."""
        if self._spans.kept:
            told = Told(f"run {run.template}"[:LENGTH], SpanKind.INTERNAL, _about(run))
            self._keep(told, (self._run(run), to_warrant(run.authority).trace), (begun, ended), error)

    def _run(self, run: Run) -> Trace | None:
        return self._spans.named(to_warrant(run.authority).trace, f"{run.id}:{run.wishes.group}")

    def _step(self, run: Run, step_id: str) -> Trace | None:
        return self._spans.named(self._run(run), f"{run.id}:{run.wishes.group}:{step_id}")

    def _keep(
        self,
        told: Told,
        place: tuple[Trace | None, Trace | None],
        times: tuple[datetime, datetime],
        error: MeshError | None,
    ) -> None:
        here, parent = place
        begun, ended = (round(1e6 * moment.timestamp()) * 1000 for moment in times)
        if here is not None:
            self._spans.keep(Span(told, here, parent, begun, ended, outcome_of(error)))


def _about(run: Run) -> dict[str, str | int]:
    about: dict[str, str | int] = {"a2a.run": run.id, "a2a.template": run.template[:LENGTH]}
    return {**about, "a2a.attempt_group": run.wishes.group} if run.wishes.group > 1 else about
