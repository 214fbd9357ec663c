"""The end of the server on the C core when it is hurried, and when RPCs arrive as it ends."""

from __future__ import annotations

import asyncio
import threading
from typing import TypeAlias

import grpc
import pytest

from a2a_node.core.completions import Arrivals
from a2a_node.core.library import Event
from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Door, Routes, Stream, Unary, serving

Future: TypeAlias = "grpc._CallFuture[bytes]"  # noqa: SLF001 - only the stubs have it
PATIENCE = 20.0
HERE = Door("127.0.0.1:0")


async def refuse(rpc: Rpc) -> None:
    """Serve what nobody serves."""
    rpc.end(12, f"no {rpc.method}")


class Held:
    """Serves RPCs that do not end by themselves."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.cancelled = 0
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve, with more grace than a test has time."""
        async with serving([HERE], Routes({"/a/Held": Unary(self._held)}, Stream(refuse)), grace=600.0) as (port,):
            self.port.set_result(port)
            await asyncio.Event().wait()

    async def begin(self, channel: grpc.Channel) -> Future:
        """An RPC that is being served; its client needs no event loop."""
        rpc: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a/Held", None, None)
        call = rpc.future(b"x", timeout=PATIENCE)
        await self.begun.acquire()
        return call

    async def _held(self, _: Rpc, __: bytes) -> None:
        self.begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1


async def test_a_hurried_end_cancels_what_runs_and_leaves_nothing() -> None:
    """However often it is cancelled, it ends after all that it served, and begins nothing where all is complete."""
    held = Held()
    async with asyncio.timeout(PATIENCE):
        ending = asyncio.create_task(held.run())
        with grpc.insecure_channel(f"127.0.0.1:{await held.port}") as channel:
            calls = [await held.begin(channel) for _ in range(4)]
            while not ending.done():
                ending.cancel()
                await asyncio.sleep(0)
            assert held.cancelled == len(calls)
            assert {call.code() for call in calls} <= {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    assert ending.cancelled()


async def test_an_rpc_that_arrives_when_none_is_left_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was on its way to the loop when the server ended: whoever sent it may try it elsewhere."""
    arrived = threading.Event()

    class Watched(Arrivals):
        def poll(self, deadline: float | None = None) -> Event:
            event = super().poll(deadline)
            arrived.set()
            return event

    monkeypatch.setattr("a2a_node.core.server.Arrivals", Watched)
    served: list[str] = []

    async def serve(rpc: Rpc) -> None:
        served.append(rpc.method)
        await refuse(rpc)

    async with asyncio.timeout(PATIENCE):
        async with serving([HERE], Routes({}, Stream(serve))) as (port,):
            channel = grpc.insecure_channel(f"127.0.0.1:{port}")
            rpc: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a/Late", None, None)
            call = rpc.future(b"", timeout=PATIENCE)
            assert arrived.wait(PATIENCE)  # without the loop
        assert (call.code(), call.details()) == (grpc.StatusCode.UNAVAILABLE, "the server is ending")
    channel.close()
    assert served == []
