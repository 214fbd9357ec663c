"""A run as its events tell it: the stand of all steps after each, and a line for people who have no terminal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from a2a_node.cli.flow.words import did, mark, span, took
from a2a_node.cli.show import dumps
from a2a_node.model.runs import Run, RunEvent, RunStatus, RunStep

SAID = 200  # characters of what a step says while it works


@dataclass(slots=True)
class Following:
    """A run that is followed; `run` is how it stands after the events so far."""

    run: Run
    said: dict[str, str] = field(default_factory=dict)  # the newest words of each step at work
    stale: bool = False  # events were missed: only the record knows how it stands

    @classmethod
    def of_all(cls, run: Run) -> Following:
        """Of a run whose events are told from the first on: no step has begun before them."""
        steps = [RunStep(step.id, agent=step.agent, capability=step.capability, needs=step.needs) for step in run.steps]
        return cls(replace(run, status=RunStatus.PENDING, steps=steps, completed_steps=0))

    def seen(self, event: RunEvent) -> str:
        """Take in an event; what it says in one line, nothing where it changes nothing that people see."""
        if event.gap:
            self.stale = True
            return f"events up to {event.sequence} are no longer kept"
        if event.progress:
            step_id, value = event.progress
            self.said[step_id] = (value if isinstance(value, str) else dumps(value))[:SAID]
            return f"  {step_id}: {self.said[step_id]}"
        return self._stepped(event.step) if event.step else self._went(event.run)

    def told(self, run: Run) -> None:
        """Take over how the record says that it stands."""
        self.run, self.stale = run, False

    def _went(self, run: Run | None) -> str:
        if run is None:
            return ""
        before, self.run = self.run, replace(run, steps=self.run.steps)
        seconds = took(run.started_at, run.completed_at)
        return (
            ""
            if run.status == before.status and not run.status.terminal
            else _sentence(
                mark(run.status), run.name, str(run.status), span(seconds) if seconds is not None else "", _why(run)
            )
        )

    def _stepped(self, step: RunStep) -> str:
        before = next((one for one in self.run.steps if one.id == step.id), None)
        steps = [step if one.id == step.id else one for one in self.run.steps]
        done = sum(one.status in {"completed", "skipped"} for one in steps)
        self.run = replace(self.run, steps=steps, completed_steps=done)
        if step.status.terminal:
            self.said.pop(step.id, None)
        news = _news(step, before)
        if before and before.status == step.status and not news:
            return ""
        seconds = took(step.started_at, step.completed_at)
        ended = span(seconds) if seconds is not None else ""
        return _sentence(mark(step.status), step.id, str(step.status), ended, news)


def _news(step: RunStep, before: RunStep | None) -> str:
    """What is new about a step besides its status."""
    words = list[str]()
    if step.items and step.items.total:
        words.append(f"{step.items.completed} of {step.items.total} items")
    if step.status == "waiting" and step.approval:
        words.append(step.approval.question or f"somebody who may {step.approval.permission} has to decide")
    if step.status == "running" and did(step) and (before is None or before.status != step.status):
        words.append(did(step))
    if len(step.attempts) > 1:
        words.append(f"attempt {step.attempts[-1].attempt}")
    failure = step.error or next((one.error for one in reversed(step.attempts) if one.error), None)
    if failure and step.status != "completed":
        words.append(f"{failure.message} [{failure.reason}]")
    if step.compensated:
        words.append("undone")
    return ", ".join(words)


def _why(run: Run) -> str:
    return f"{run.error.message} [{run.error.reason}]" if run.error else run.wishes.reason


def _sentence(sign: str, name: str, *words: str) -> str:
    return " ".join([sign, name, *(word for word in words if word)])
