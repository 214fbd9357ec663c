"""How long, how it stands, and what a step does, in a few words each."""

from __future__ import annotations

from datetime import datetime
from unicodedata import east_asian_width

from a2a_node.model.runs import RunStatus, RunStep, StepStatus
from a2a_node.model.workflows import Approval, SubWorkflow, Work

MARKS = {
    "pending": "○",
    "running": "●",
    "paused": "‖",
    "waiting": "?",
    "completed": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "skipped": "-",
}
DAY, HOUR, MINUTE = 86_400, 3_600, 60


def mark(status: RunStatus | StepStatus | None) -> str:
    """One sign for how something stands; that of what has not begun where there is no run."""
    return MARKS[status or "pending"]


def span(seconds: float) -> str:
    """A duration as people say it: `14 ms`, `1.25 s`, `3 m 07 s`, `2 h 05 m`, `1 d`."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < MINUTE - 0.05:  # what would be said as 60.0 s is a minute
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - three digits, always
    whole = round(seconds)
    for large, small, words in ((DAY, HOUR, "dh"), (HOUR, MINUTE, "hm"), (MINUTE, 1, "ms")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large} {words[0]}" + (f" {rest:02} {words[1]}" if rest else "")
    return f"{whole} s"


def took(began: datetime | None, ended: datetime | None, now: datetime | None = None) -> float | None:
    """Seconds from a begin to an end, or to now where it goes on; None before it began, or where now is not known."""
    until = ended or now
    return None if began is None or until is None else max(0.0, (until - began).total_seconds())


def does(work: Work) -> str:
    """What a step does."""
    if isinstance(work, Approval):
        return f"waits for {work.permission}"
    if isinstance(work, SubWorkflow):
        return f"runs {work.template}"
    called = f"{work.agent}.{work.capability}" if work.agent and work.capability else work.agent or work.capability
    return f"calls {called}" + (f" tagged {work.tag}" if work.tag else "")


def did(step: RunStep) -> str:
    """What a step of a run does or did: the agent that was chosen, the run that was started, or who is waited for."""
    if step.approval:
        return f"waits for {step.approval.permission}"
    if step.child_run_id:
        return f"runs {step.child_run_id}"
    return ".".join(part for part in (step.agent, step.capability) if part)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def cut(text: str, room: int) -> str:
    """A text in one line of so many columns; `…` where it goes on. What is no sign to print becomes a blank."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: max(room, 0) + 1])
    if columns(line) <= room:
        return line
    while line and columns(line) >= room:
        line = line[:-1]
    return f"{line}…" if room > 0 else ""


def padded(text: str, room: int) -> str:
    """The same, filled up with blanks."""
    line = cut(text, room)
    return line + " " * (room - columns(line))
