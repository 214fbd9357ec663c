"""Who blocks the loop: a thread sees that the loop's heartbeat is late, and names the agent that holds it up."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NamedTuple

import structlog

from a2a_node.agent import running

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
REPEAT_SECONDS = 60.0


class Work(NamedTuple):
    """What a task does for whom, made afresh for every call."""

    agent: str
    capability: str


@dataclass(frozen=True, slots=True)
class Pace:
    """When a heartbeat is late, and how often one is asked for; seconds."""

    late: float = 0.25
    every: float = 0.2


PACE = Pace()


Warn = Callable[[Work, str], None]
AtWork = Mapping["asyncio.Task[object]", Work]


def warned(work: Work, place: str) -> None:
    """Log that an agent blocks the loop, and where it stands."""
    log.warning(
        "agent blocks the node's loop; make it await, or a plain function, which runs in a thread",
        agent=work.agent,
        capability=work.capability,
        at=place,
    )


class Said:
    """What was said lately, so that the same agent and capability are named once a minute."""

    def __init__(self) -> None:
        self._at: dict[Work, float] = {}

    def due(self, work: Work, now: float) -> bool:
        """Whether to say it now, `now` on any clock in seconds; then it counts as said."""
        if now - self._at.get(work, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        self._at[work] = now
        return True


@contextmanager
def watching(
    loop: asyncio.AbstractEventLoop,
    at_work: AtWork,
    warn: Warn = warned,
    pace: Pace = PACE,
) -> Iterator[None]:
    """Watch the loop of this thread until the block ends; `at_work` is read by the task that stands on the loop."""
    watch = _Watch(loop, at_work, warn, pace)
    thread = threading.Thread(target=watch.run, name="a2a-loop-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.stop()
        thread.join()


def standing(frame: FrameType) -> str:
    """Where a frame stands: the line of the agent's own function first, where there is one, then the innermost line."""
    own: FrameType | None = frame
    while own is not None and (own.f_back is None or own.f_back.f_code.co_filename != running.__file__):
        own = own.f_back
    lines = [_line(each) for each in (own, frame) if each is not None]
    return " > ".join(dict.fromkeys(lines))


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


class _Watch:
    def __init__(self, loop: asyncio.AbstractEventLoop, at_work: AtWork, warn: Warn, pace: Pace) -> None:
        self._loop, self._at_work, self._warn, self._pace = loop, at_work, warn, pace
        self._thread = threading.get_ident()
        self._beat, self._stopped = threading.Event(), threading.Event()
        self._said = Said()

    def run(self) -> None:
        """Ask for heartbeats until `stop`."""
        while not self._stopped.wait(self._pace.every):
            self._beat.clear()
            self._loop.call_soon_threadsafe(self._beat.set)
            self._wait_for_beat()

    def stop(self) -> None:
        """End `run` at once, wherever it waits."""
        self._stopped.set()
        self._beat.set()

    def _wait_for_beat(self) -> None:
        """Blame a call that is seen twice while one beat is due: one that only passes by is seen once."""
        seen: Work | None = None
        while not self._beat.wait(self._pace.late / 2) and not self._stopped.is_set():
            task = asyncio.current_task(self._loop)
            work = None if task is None else self._at_work.get(task)
            if work is not None and work is seen:  # the very same, and not another call to the same agent
                self._blame(work)
            seen = work

    def _blame(self, work: Work) -> None:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - the only way to see where another thread stands
        if frame is not None and self._said.due(work, time.monotonic()):
            self._warn(work, standing(frame))
