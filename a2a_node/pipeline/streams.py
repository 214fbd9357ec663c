"""Streams that run on a permission: whoever loses it loses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from a2a_node.access.decisions import Asked, Standing
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InternalError, PermissionDenied


@dataclass(slots=True, eq=False)
class _Running:
    """A stream, what it asked for, and what that stands on now; `lost` once that is nothing."""

    task: asyncio.Task[object]
    asked: Asked
    standing: Standing
    lost: PermissionDenied | None = None


class Streams:
    """Ends streams whose permission has ended; `renewed` says on what one stands now, or why it no longer does."""

    def __init__(self, renewed: Callable[[Asked, Standing], Standing | PermissionDenied]) -> None:
        self._renewed = renewed
        self._running: set[_Running] = set()

    async def guard(self, call: Call, ground: tuple[Asked, Standing], proceed: Proceed) -> None:
        """Let the stream run for as long as it stands; PermissionDenied when it no longer does."""
        task = asyncio.current_task()
        if task is None:
            raise InternalError
        running, cancelling = _Running(task, *ground), task.cancelling()
        self._running.add(running)
        try:
            await proceed(call)
        except asyncio.CancelledError:
            if running.lost is None or task.uncancel() > cancelling:
                raise  # somebody else wants it to end, too
            raise running.lost from None
        finally:
            self._running.discard(running)

    def check(self) -> None:
        """Something has changed: end what no longer stands."""
        for running in self._running:
            if running.lost is None:
                renewed = self._renewed(running.asked, running.standing)
                if isinstance(renewed, PermissionDenied):
                    running.lost = renewed
                    running.task.cancel()
                else:
                    running.standing = renewed
