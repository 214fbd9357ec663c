"""Progress bars of a run: a line for each step that fits on the screen, those at work first, and one for the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from a2a_node.cli.flow.words import columns, cut, did, mark, padded, span, took
from a2a_node.model.runs import Run, RunStep, StepStatus

FULL, EMPTY = "━", "─"
BAR, WAVE = 24, 5  # columns of a bar, and of what goes to and fro on it where nobody knows how far a step is
PACE = 12.0  # columns a second
NAME = 24  # columns of a run's name, at most
FEWEST = 4  # lines of steps, however low the screen is
COLOURS = {
    "running": "blue",
    "waiting": "yellow",
    "paused": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "bright_black",
    "skipped": "bright_black",
    "pending": "bright_black",
}
FIRST = ("failed", "waiting", "running", "paused", "cancelled", "pending", "completed", "skipped")  # on a low screen

Line = tuple[str, str]  # a text and its colour


def bars(run: Run, said: Mapping[str, str], now: datetime, size: tuple[int, int]) -> Sequence[Line]:
    """The lines of a run for a screen of so many columns and lines."""
    wide, high = size
    shown = _shown(run.steps, max(FEWEST, high - 3))
    ids = max(min(NAME, columns(run.name)), *(columns(step.id) for step in shown), 0)
    lines = [(cut(_step(step, said, now, ids), wide), COLOURS[step.status]) for step in shown]
    if hidden := len(run.steps) - len(shown):
        lines.append((cut(f"… and {hidden} more: {_counted(run.steps, shown)}", wide), "bright_black"))
    waiting = [step.id for step in run.steps if step.status is StepStatus.WAITING]
    lines += [(cut(f"  a2a-node workflow approve {run.id} {name}", wide), "yellow") for name in waiting]
    return [*lines, (cut(_whole(run, now, ids), wide), COLOURS[run.status])]


def _shown(steps: Sequence[RunStep], room: int) -> Sequence[RunStep]:
    """As many as there is room for, those first that matter most now; in their order."""
    if len(steps) <= room:
        return steps
    ranked = sorted(enumerate(steps), key=lambda one: (FIRST.index(one[1].status), one[0]))
    return [steps[place] for place in sorted(place for place, _ in ranked[:room])]


def _counted(steps: Sequence[RunStep], shown: Sequence[RunStep]) -> str:
    seen = {step.id for step in shown}
    hidden = [step.status for step in steps if step.id not in seen]
    return ", ".join(f"{hidden.count(status)} {status}" for status in StepStatus if status in hidden)


def _step(step: RunStep, said: Mapping[str, str], now: datetime, ids: int) -> str:
    seconds = took(step.started_at, step.completed_at, now)
    times = "" if seconds is None else span(seconds)
    words = said.get(step.id) or _words(step)
    return f"{mark(step.status)} {padded(step.id, ids)}  {_bar(step, now)}  {times:>8}  {words}".rstrip()


def _words(step: RunStep) -> str:
    if step.error:
        return f"{step.error.message} [{step.error.reason}]"
    if step.status is StepStatus.WAITING and step.approval:
        return step.approval.question or f"waits for {step.approval.permission}"
    words = [str(step.status) if step.status.terminal and step.status != "completed" else did(step)]
    words += [f"{step.items.completed} of {step.items.total}"] if step.items else []
    words += [f"attempt {step.attempts[-1].attempt}"] if len(step.attempts) > 1 else []
    return " · ".join(word for word in words if word)


def _bar(step: RunStep, now: datetime) -> str:
    if step.status is StepStatus.COMPLETED:
        return FULL * BAR
    if step.items and step.items.total:
        return _filled((step.items.completed + step.items.failed) / step.items.total)
    if step.status is StepStatus.RUNNING and step.started_at:
        return _wave((now - step.started_at).total_seconds())
    return EMPTY * BAR


def _filled(part: float) -> str:
    full = round(min(1.0, max(0.0, part)) * BAR)
    return FULL * full + EMPTY * (BAR - full)


def _wave(seconds: float) -> str:
    """Something that goes to and fro: it is at work."""
    way = BAR - WAVE
    at = int(max(0.0, seconds) * PACE) % (2 * way)
    left = at if at <= way else 2 * way - at
    return EMPTY * left + FULL * WAVE + EMPTY * (way - left)


def _whole(run: Run, now: datetime, ids: int) -> str:
    seconds = took(run.started_at, run.completed_at, now)
    part = run.completed_steps / run.total_steps if run.total_steps else 0.0
    times = "" if seconds is None else span(seconds)
    count = f"{run.completed_steps} of {run.total_steps} steps"
    return f"{mark(run.status)} {padded(run.name, ids)}  {_filled(part)}  {times:>8}  {run.status} · {count}"
