"""A CPU profile of this very process, from inside: for where nothing may look into it from outside.

A thread looks at all others a hundred times a second. Those count that have used the processor since the look before,
by the system's clock of each thread; what only waits does not.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

DEEPEST = 150
BUSY = 0.2  # of the time between two looks


def profiled(seconds: float, rate: int, stop: threading.Event) -> Mapping[tuple[str, ...], int]:
    """The stacks of the threads that were on the processor, until the time is over or `stop` is set; it blocks."""
    stacks: Counter[tuple[str, ...]] = Counter()
    spent: dict[int, float] = {}
    until, pause = time.monotonic() + seconds, 1 / rate
    while time.monotonic() < until and not stop.wait(pause):
        threads = {thread.ident: thread for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the one way to see other threads
            thread = threads.get(ident)
            if ident != threading.get_ident() and thread and _worked(thread.native_id or 0, spent) >= BUSY * pause:
                stacks[thread.name, *stack_of(frame)] += 1
    return stacks


def stack_of(frame: FrameType | None) -> tuple[str, ...]:
    """The functions on the way to a frame, the outermost first."""
    names: list[str] = []
    while frame is not None and len(names) < DEEPEST:
        code = frame.f_code
        names.append(f"{code.co_qualname.replace(';', ',')} ({Path(code.co_filename).name}:{frame.f_lineno})")
        frame = frame.f_back
    return tuple(reversed(names))


def _worked(native: int, spent: dict[int, float]) -> float:
    """Seconds of the processor that a thread has used since it was asked last; 0 when it has just ended."""
    try:
        now = int(Path(f"/proc/self/task/{native}/schedstat").read_text().partition(" ")[0]) / 1e9
    except (OSError, ValueError):  # where the system does not tell, every thread counts as at work
        return 0.0 if Path("/proc/self/task").exists() else float("inf")
    before = spent.get(native, now)
    spent[native] = now
    return now - before
