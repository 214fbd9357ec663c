"""Work for a client: it ends when the client leaves, and when the node has to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive

from a2a_node.model.errors import CallCancelled, MeshError
from a2a_node.web.bodies import Disconnected

Result = TypeVar("Result")
Work = Coroutine[object, object, Result]
Ends = tuple[Coroutine[object, object, None], MeshError]


async def attended(work: Work[Result], receive: Receive, ends: Ends | None = None) -> Result:
    """What comes of the work; Disconnected once the client has left, and the failure of `ends` once that has come.

    What `receive` raises is raised.
    """
    doing, gone = asyncio.create_task(work), asyncio.create_task(_left(receive))
    over = None if ends is None else asyncio.create_task(ends[0])
    try:
        await asyncio.wait([task for task in (doing, gone, over) if task], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return _result(doing)
        if ends is not None and over is not None and over.done():
            raise ends[1]
        gone.result()
        raise Disconnected
    finally:
        await _ended([task for task in (doing, gone, over) if task])


def _result(doing: asyncio.Task[Result]) -> Result:
    if doing.cancelled():
        raise CallCancelled("", "the node gave it up")
    return doing.result()


async def _left(receive: Receive) -> None:
    while not (await receive())["type"].endswith(".disconnect"):  # of a request or of a WebSocket
        pass


async def _ended(tasks: list[asyncio.Task[object]]) -> None:
    """Cancel what still runs, and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # was told, or nobody is there to hear it
