"""The steps of a run that are at work, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator


class AtWork:
    """Tasks by the ids of their steps; a step has ended when that is recorded.

    Not a TaskGroup: what is raised of a run that is another's by now must come through bare.
    """

    def __init__(self, news: asyncio.Event) -> None:
        self._news = news  # set with each end
        self._names: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter([*self._names])

    def __len__(self) -> int:
        return len(self._names)

    @property
    def names(self) -> frozenset[str]:
        """The ids of those that have not ended."""
        return frozenset(self._names)

    def begin(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Have a step at work."""
        self._names.add(name)
        self._tasks[name] = task = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _: self._end(name))
        return task

    def cancel(self, name: str) -> None:
        """End the work of a step."""
        self._tasks[name].cancel()

    def check(self) -> None:
        """Raise what a task was ended by, bare."""
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def stop(self) -> None:
        """End all tasks."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _end(self, name: str) -> None:
        self._names.discard(name)
        self._news.set()
