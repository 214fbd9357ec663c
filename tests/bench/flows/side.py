"""One side of the comparison: a program that runs graphs ten at a time for as long as a line of its stdin says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

from tests.bench.flows.graphs import GRAPHS, Needs

AT_A_TIME = 10

Run = Callable[[Needs], Awaitable[None]]  # runs a graph to its end; raises when it did not complete


@dataclass(frozen=True, slots=True)
class Runs:
    """What a span of runs came to."""

    runs: int
    errors: int
    error: str  # the first
    seconds: float  # until the last run had ended
    p50_ms: float


async def serve(run: Run) -> None:
    """Say `ready`; for each line `STEPS SECONDS` run that graph for so long and say what came of it."""
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    while words := (await asyncio.to_thread(sys.stdin.readline)).split():
        found = await spent(run, GRAPHS[int(words[0])], float(words[1]))
        print(json.dumps(asdict(found)), flush=True)  # noqa: T201 - the parent reads it


async def spent(run: Run, graph: Needs, seconds: float) -> Runs:
    """Runs one after the other, in ten places at a time, until the time is up and the last has ended."""
    began, took, failed = perf_counter(), list[float](), list[str]()

    async def place() -> None:
        while perf_counter() - began < seconds:
            start = perf_counter()
            try:
                await run(graph)
            except Exception as error:  # noqa: BLE001 - whatever it is, the figure is worth nothing
                failed.append(f"{type(error).__name__}: {error}")
            else:
                took.append(perf_counter() - start)

    await asyncio.gather(*(place() for _ in range(AT_A_TIME)))
    spent = perf_counter() - began
    return Runs(len(took), len(failed), failed[0] if failed else "", spent, median(took or [0.0]) * 1000)
