"""How a task of the server on the C core stops, with a real client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from a2a_node.core import server
from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Unary
from tests.integration.test_core import PATIENCE, house


async def test_a_task_that_takes_time_to_stop_is_told_so_once() -> None:
    """By whoever stops it, and not by its client, which leaves then; nor the other way round."""
    begun, told = asyncio.Queue[Rpc](), asyncio.Queue[str]()

    async def slow(rpc: Rpc, _: bytes) -> None:
        begun.put_nowait(rpc)
        for seconds in (PATIENCE, 0.3):
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                told.put_nowait("stop")
        told.put_nowait("over")

    async with asyncio.timeout(PATIENCE), house({"/a/Slow": Unary(slow)}) as here:
        for client_first in (False, True):
            call = asyncio.ensure_future(here.call("/a/Slow"))
            rpc = await begun.get()
            await asyncio.sleep(5 * server.SPARED)  # its client is heard of by then
            steps: list[Callable[[], object]] = [rpc.stop, call.cancel]
            for step in reversed(steps) if client_first else steps:
                step()
                await asyncio.sleep(0.05)
            assert [await told.get(), await told.get()] == ["stop", "over"]
            await asyncio.wait([call])
