"""Streams: how soon a lost reader has its next event, and what keeping an event costs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from a2a_node.testing import Line, line_to
from tests.bench.load import Target
from tests.bench.rows import Row, row

ROUNDS = 15
EVENTS = 5000  # of a stream whose events are counted
PRICES = 5


def stream_rows(target: Target) -> list[Row]:
    """Milliseconds from a lost connection to the first event that was missed; microseconds for each event."""
    key = Path(target.key_file).read_text(encoding="utf-8").strip()
    return asyncio.run(_measured(target.address, key))


async def _measured(address: str, key: str) -> list[Row]:
    parts = urlsplit(f"//{address}")
    async with AsyncExitStack() as house:
        line = await house.enter_async_context(line_to(parts.hostname or "", parts.port or 0))
        mesh = await house.enter_async_context(MeshClient(address, key))
        begun, resumed, errors = await _resumes(line, address, key)
        kept, plain = await _prices(mesh)
    return [
        row("stream_resume_ms", median(resumed), "ms", median(begun), errors),
        row("stream_event_us", median(kept), "us", median(plain)),
    ]


async def _resumes(line: Line, address: str, key: str) -> tuple[list[float], list[float], int]:
    """The first events of ordinary streams, and those after a loss; and how many streams were not whole."""
    begun, resumed, errors = [], [], 0
    for _ in range(ROUNDS):
        async with MeshClient(f"127.0.0.1:{line.port},{address}", key) as mesh:
            await mesh.call("echo", "say", {"text": "warm"})
            began = perf_counter()
            numbers = mesh.stream("echo", "count", {"n": 40, "delay_ms": 5})
            seen = [await anext(numbers)]
            begun.append((perf_counter() - began) * 1000)
            seen += [await anext(numbers) for _ in range(9)]
            lost = perf_counter()
            line.cut()
            try:
                seen.append(await anext(numbers))
                resumed.append((perf_counter() - lost) * 1000)
                seen += [output async for output in numbers]
            except MeshError:
                errors += 1
            errors += seen != [{"number": number} for number in range(1, 41)]
        await line.restore()
    return begun, resumed, errors


async def _prices(mesh: MeshClient) -> tuple[list[float], list[float]]:
    """Microseconds for an event that is kept, and for one that is not, in rounds that take turns."""
    prices: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(PRICES):
        for kept, seen in prices.items():
            began, count = perf_counter(), 0
            outputs = mesh.stream("echo", "count", {"n": EVENTS}, resumable=kept)
            async with aclosing(outputs):  # type: ignore[type-var]  # it is a generator
                async for _ in outputs:
                    count += 1
            seen.append((perf_counter() - began) / count * 1e6)
    return prices[True], prices[False]
