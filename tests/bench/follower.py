"""A process that keeps the directory as a node does: what it holds, and when it knew of each change.

`python -m tests.bench.follower` on the database that the environment names prints what loading took. Told a revision it
says, once it knows that, when it knew of which one, by the clock that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic, perf_counter
from typing import cast

import uvloop
from sqlalchemy import select

from a2a_node.mesh.book import Book, Step
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.call import Call
from a2a_node.model.errors import StoreUnavailable
from a2a_node.services.registry import RegistryService
from a2a_node.store.postgres import connected
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.tables import agents, instances, nodes
from a2amesh.v1 import registry_service_pb2 as pb
from tests.bench.child import URL
from tests.bench.crowd import AGENTS
from tests.bench.processes import resident_mb

PATIENCE = 60.0
LOOKS = 20_000
PAGES = 50
FEW = 100  # agents of a small mesh


async def main() -> None:
    """Load, say so, note what is heard, and tell it."""
    async with connected(os.environ[URL], patience=PATIENCE) as postgres:
        begun = monotonic()
        for table in (agents, instances, nodes):
            await postgres.fetch(select(table))
        read_ms = (monotonic() - begun) * 1000
        gc.collect()
        before, begun = resident_mb(os.getpid()), monotonic()
        async with Directory.following(PostgresRegistry(postgres)) as directory:
            load_ms = (monotonic() - begun) * 1000
            gc.collect()
            memory = {"empty_mb": before, "directory_mb": resident_mb(os.getpid()) - before}
            figures = {**memory, "read_ms": read_ms, "load_ms": load_ms, **await looking(directory)}
            print(json.dumps(figures), flush=True)  # noqa: T201 - the parent reads it
            print(json.dumps(await heard([directory])))  # noqa: T201 - the parent reads it


async def looking(directory: Directory) -> dict[str, float]:
    """Microseconds to find an agent by its name, and to list a page of 50, here and in a directory of few agents."""
    few = Book()
    few.take(Step(1, directory.agents()[:FEW]))
    return {
        "find_us": finding(directory, AGENTS),
        "find_few_us": finding(few, FEW),
        "list_us": await listing(directory),
        "list_few_us": await listing(few),
    }


async def heard(directories: Sequence[Directory]) -> list[list[tuple[int, float]]]:
    """Which revisions each knew when, up to the one that is asked for or until nobody can wait any longer."""
    noted = [list[tuple[int, float]]() for _ in directories]
    noting = [asyncio.create_task(note(*each)) for each in zip(directories, noted, strict=True)]
    asked = int(await asyncio.to_thread(sys.stdin.readline) or 0)
    with suppress(StoreUnavailable):  # what one does not know is missing from what it says
        for directory in directories:
            await directory.reached(asked)
    for task in noting:
        task.cancel()
    return noted


async def note(directory: Directory, noted: list[tuple[int, float]]) -> None:
    """Write down when which revision is known, from the one on that is known now."""
    while True:
        await directory.changed()
        noted.append((directory.revision, monotonic()))


def finding(book: Book, agents: int) -> float:
    """Microseconds to find an agent by its name."""
    names = [f"agent-{number % agents:05}" for number in range(0, 7 * LOOKS, 7)]
    begun = perf_counter()
    for name in names:
        book.find(name)
    return (perf_counter() - begun) / LOOKS * 1e6


async def listing(book: Book) -> float:
    """Microseconds for a page of 50 agents with a tag that all have, as ListAgents answers it."""
    service = RegistryService(cast("Directory", book), cast("Registrar", None), "none")  # nothing is changed here
    call, request = Call("/a2amesh.v1.RegistryService/ListAgents", rest=nothing), pb.ListAgentsRequest(tag="crowd")
    begun = perf_counter()
    for _ in range(PAGES):
        await service.list_agents(request, call)
    return (perf_counter() - begun) / PAGES * 1e6


async def nothing(_: Call) -> None:
    """What a call of the service goes on to."""


if __name__ == "__main__":
    uvloop.run(main())
