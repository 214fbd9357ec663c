"""A run told from its begin to its end: each step with its bar in time, its input, output, attempts and durations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from a2a_node.cli.flow.words import columns, cut, did, mark, padded, span, took
from a2a_node.cli.show import dumps
from a2a_node.model.errors import MeshError
from a2a_node.model.runs import Run, RunStep, StepApproval, StepAttempt

NARROWEST, BAR = 60, 30  # columns of a screen, and of the bar in time
LEAST_BAR = 10
WORDS = 44  # columns of what a step does, at most
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Scale:
    """How moments lie on a bar of so many columns."""

    begin: datetime
    end: datetime
    wide: int

    def bar(self, began: datetime | None, ended: datetime | None) -> str:
        """A step's stretch of the bar; at least one column once it has begun."""
        if began is None:
            return ""
        left = min(self._column(began), self.wide - 1)
        right = max(self._column(ended or self.end), left + 1)
        return " " * left + "█" * (right - left)

    def _column(self, moment: datetime) -> int:
        whole = (self.end - self.begin).total_seconds()
        part = (moment - self.begin).total_seconds() / whole if whole > 0 else 0.0
        return round(min(1.0, max(0.0, part)) * self.wide)


def timeline(run: Run, now: datetime, wide: int) -> Sequence[str]:
    """The lines of a run for a screen of so many columns."""
    wide = max(wide, NARROWEST)
    return [*head(run, now), *_steps(run, now, wide), *_end(run, wide)]


def step_whole(step: RunStep) -> Sequence[str]:
    """One step with all of its data, as JSON in lines."""
    lines = [f"{mark(step.status)} {step.id}  {did(step)}".rstrip()]
    for name, value in (("input", step.input), ("output", step.output)):
        if value is not None:
            lines += [f"{name}:", dumps(value, indent=True)]
    lines += [f"{_attempt_name(one)}  {_attempt(one)}" for one in step.attempts]
    return [*lines, *([f"error  {_failure(step.error)}"] if step.error else [])]


def head(run: Run, now: datetime) -> Sequence[str]:
    """What run it is, how it stands, and since when."""
    words = [f"{mark(run.status)} {run.status}"]
    if (seconds := took(run.started_at, run.completed_at, now)) is not None:
        words.append(span(seconds))
    words.append(f"{run.completed_steps} of {run.total_steps} steps")
    words.append(f"{run.template} version {run.template_version} by {run.created_by}")
    words.append(f"{run.created_at:%Y-%m-%d %H:%M:%S} UTC")
    wish = "being cancelled" if run.wishes.cancelling else "being paused" if run.wishes.pausing else ""
    if wish and not run.status.terminal and run.status != "paused":
        words.insert(1, wish)
    return [f"{run.name}  {run.id}", " · ".join(words), ""]


def _steps(run: Run, now: datetime, wide: int) -> Iterator[str]:
    scale = _scale(run, now, wide)
    ids = max((columns(step.id) for step in run.steps), default=0)
    works = min(WORDS, max((columns(did(step)) for step in run.steps), default=0), max(8, wide - ids - scale.wide - 28))
    for step in run.steps:
        began = took(run.started_at or run.created_at, step.started_at)
        times = (
            f"{'' if began is None else '+' + span(began):>9}  {_seconds(step.started_at, step.completed_at, now):>8}"
        )
        words = f"{mark(step.status)} {padded(step.id, ids)}  {padded(did(step), works)}  {times}  "
        yield f"{words}{scale.bar(step.started_at, step.completed_at)}".rstrip()
        yield from _details(step, wide)


def _scale(run: Run, now: datetime, wide: int) -> Scale:
    begin = run.started_at or run.created_at
    ends = [step.completed_at or now for step in run.steps if step.started_at]
    return Scale(begin, run.completed_at or max(ends, default=now), max(LEAST_BAR, min(BAR, wide // 4)))


def _seconds(began: datetime | None, ended: datetime | None, now: datetime) -> str:
    seconds = took(began, ended, now)
    return "" if seconds is None else span(seconds)


def _details(step: RunStep, wide: int) -> Iterator[str]:
    if step.input is not None:
        yield _line("in", dumps(step.input), wide)
    if step.items:
        yield _line("items", f"{step.items.completed} of {step.items.total} done, {step.items.failed} failed", wide)
    if step.approval:
        yield _line("asks", _approval(step.approval), wide)
    if step.child_run_id:
        yield _line("run", step.child_run_id, wide)
    if len(step.attempts) > 1 or any(attempt.error for attempt in step.attempts):
        yield from (_line(_attempt_name(one), _attempt(one), wide) for one in step.attempts)
    if step.output is not None:
        yield _line("out", dumps(step.output), wide)
    if step.omitted:
        yield _line("", f"large data is left out here; `--step {step.id}` shows all of it", wide)
    if step.error and not any(attempt.error for attempt in step.attempts):
        yield _line("error", _failure(step.error), wide)
    if step.compensated:
        yield _line("", "undone", wide)


def _end(run: Run, wide: int) -> Iterator[str]:
    """What came of the whole."""
    if run.output is not None:
        yield from ("", cut(f"output  {dumps(run.output)}", wide))
    if run.error:
        yield from ("", cut(f"error  {_failure(run.error)}", wide))
    if run.wishes.reason:
        yield from ("", cut(f"cancelled  {run.wishes.reason}", wide))


def _line(name: str, text: str, wide: int) -> str:
    return f"{INDENT}{name:<6} {cut(text, wide - len(INDENT) - 7)}"


def _attempt_name(attempt: StepAttempt) -> str:
    return f"try {attempt.attempt}"


def _attempt(attempt: StepAttempt) -> str:
    seconds = took(attempt.started_at, attempt.completed_at)
    words = ["goes on" if seconds is None else span(seconds)]
    words += [f"on {attempt.node_id}"] if attempt.node_id else []
    words += [f"call {attempt.call_id}"] if attempt.call_id else []
    return " ".join([*words, _failure(attempt.error) if attempt.error else ""]).rstrip()


def _approval(approval: StepApproval) -> str:
    asked = approval.question or f"may it go on? ({approval.permission})"
    if approval.decision is None:
        until = f", until {approval.expires_at:%Y-%m-%d %H:%M:%S} UTC" if approval.expires_at else ""
        return f"{asked} Nobody has decided{until}"
    comment = f": {approval.comment}" if approval.comment else ""
    return f"{asked} {approval.decided_by} said {approval.decision}{comment}"


def _failure(error: MeshError) -> str:
    return f"{error.message} [{error.reason}]"
