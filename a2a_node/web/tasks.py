"""How many tasks the event loop has, by whose they are: what grows and never shrinks again is a leak."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

OURS = "a2a_node."
OTHERS = "other"


class Tasks(Collector):
    """Counts the tasks of the loop that it is made in, in the thread that writes the page: many take a while."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def collect(self) -> Iterable[Metric]:
        """One gauge for each module of ours whose coroutines run as tasks, and one for all others."""
        tasks = GaugeMetricFamily("a2a_tasks", "Tasks of the event loop, by whose they are", labels=["module"])
        for module, number in sorted(Counter(map(_module, asyncio.all_tasks(self._loop))).items()):
            tasks.add_metric([module], number)
        yield tasks


def _module(task: asyncio.Task[object]) -> str:
    frame = getattr(task.get_coro(), "cr_frame", None)  # none in what Cython compiled, or once it has ended
    name = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
    return name.removeprefix(OURS) if name.startswith(OURS) else OTHERS
