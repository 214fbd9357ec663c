"""How a node is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from a2a_node.cli.stopping import Stopping, until_stopped


async def never() -> None:
    """Nobody asks over the mesh."""
    await asyncio.Event().wait()


def wish_soon(sign: signal.Signals = signal.SIGTERM) -> None:
    """Send this process a signal that its loop handles next."""
    os.kill(os.getpid(), sign)


async def served(stopping: Stopping, begun: asyncio.Event, drain: Callable[[], Awaitable[None]]) -> None:
    """A node: serves until it is asked to end, then drains."""
    begun.set()
    await stopping.wished(never)
    await drain()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_a_first_signal_asks_the_node_to_drain(sign: signal.Signals) -> None:
    """It ends by itself, in its own time."""
    begun, drained = asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        drained.set()

    task = asyncio.create_task(until_stopped(lambda stopping: served(stopping, begun, drain)))
    await begun.wait()
    wish_soon(sign)
    await task
    assert drained.is_set()


async def test_a_second_signal_ends_the_draining_and_a_third_changes_nothing() -> None:
    """What has to be unmade is unmade all the same, and nothing has failed."""
    begun, draining, unmade = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        draining.set()
        try:
            await never()
        finally:
            wish_soon()
            await asyncio.sleep(0)
            unmade.set()

    task = asyncio.create_task(until_stopped(lambda stopping: served(stopping, begun, drain)))
    await begun.wait()
    wish_soon()
    await draining.wait()
    wish_soon()
    await task
    assert unmade.is_set()


async def test_a_signal_ends_a_node_that_does_not_serve_yet() -> None:
    """There is nothing to drain."""
    begun = asyncio.Event()

    async def start(_: Stopping) -> None:
        begun.set()
        await never()

    task = asyncio.create_task(until_stopped(start))
    await begun.wait()
    wish_soon()
    await task
    assert not task.cancelled()


async def test_the_mesh_may_ask_as_well() -> None:
    """DrainNode is a first signal."""
    asked, served_out = asyncio.Event(), asyncio.Event()

    async def elsewhere() -> None:
        await asked.wait()

    async def serve(stopping: Stopping) -> None:
        asked.set()
        await stopping.wished(elsewhere)
        served_out.set()

    await until_stopped(serve)
    assert served_out.is_set()


async def test_a_cancellation_of_somebody_else_goes_on() -> None:
    """Only signals are no failure."""
    begun = asyncio.Event()

    async def start(_: Stopping) -> None:
        begun.set()
        await never()

    task = asyncio.create_task(until_stopped(start))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
