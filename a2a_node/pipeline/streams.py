"""Streams that run on something that may end, such as a permission or a key: whoever loses it loses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Generic, TypeVar

from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InternalError, MeshError

G = TypeVar("G")
LATE = 0.001  # seconds: timers of a loop may come a little early


@dataclass(slots=True, eq=False)
class _Running(Generic[G]):
    """A stream, and what it stands on now; `lost` once that is nothing."""

    task: asyncio.Task[object]
    call: Call
    ground: G
    lost: MeshError | None = None


class Streams(Generic[G]):
    """Ends streams that stand on nothing any more; `renewed` says on what one stands now, or why it no longer does."""

    def __init__(self, renewed: Callable[[G], G | MeshError]) -> None:
        self._renewed = renewed
        self._running: set[_Running[G]] = set()

    async def guard(self, call: Call, ground: G, proceed: Proceed, until: float = inf) -> None:
        """Let the stream run for as long as it stands; look at `until` (monotonic), too. What `renewed` answers."""
        task = asyncio.current_task()
        if task is None:
            raise InternalError
        running, cancelling = _Running(task, call, ground), task.cancelling()
        self._running.add(running)
        timer = self._timer(running, until)
        try:
            await proceed(call)
        except asyncio.CancelledError:
            if running.lost is None or task.uncancel() > cancelling:
                raise  # somebody else wants it to end, too
            raise running.lost from None
        finally:
            self._running.discard(running)
            if timer is not None:
                timer.cancel()

    def check(self) -> None:
        """Something has changed: end what no longer stands."""
        for running in self._running:
            self._check(running)

    def _check(self, running: _Running[G]) -> None:
        if running.lost is None:
            renewed = self._renewed(running.ground)
            if isinstance(renewed, MeshError):
                running.lost = running.call.ended_by = renewed
                running.task.cancel()
            else:
                running.ground = renewed

    def _timer(self, running: _Running[G], until: float) -> asyncio.TimerHandle | None:
        if until == inf:
            return None
        left = max(0.0, until - monotonic()) + LATE
        return asyncio.get_running_loop().call_later(left, self._check, running)
