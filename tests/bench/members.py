"""A mesh of 1,000 nodes and 10,000 agents on a real Postgres: what its registry takes, and how soon everybody knows.

`python -m tests.bench.members`, on the Postgres that the environment names, prints a JSON object. The nodes
are rows whose leases are renewed, and swept, by the statements that nodes use; the followers are processes of their own
that keep the directory as nodes do, all of it.

When everybody knows of a change is measured with as many directories more as two processors carry: each hears of it on
a connection of its own and reads it, as all nodes of a mesh do, from the one Postgres. The bundled one lets in 200
connections; processors are the nearer bound, for to read a change takes a directory some 3 ms of one.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median, quantiles
from time import monotonic
from typing import cast
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import uvloop

from a2a_node.mesh.membership import DEFAULT
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.store.migrate import migrated
from a2a_node.store.postgres import connected
from a2a_node.store.registry import PostgresRegistry
from tests.bench.child import Child, child
from tests.bench.crowd import NODES, OWNER, agent, entered, node_id

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
FOLLOWERS = 3
WRITERS = 8  # nodes that register at a time
LISTENING = 2  # processes with many directories each, one for each processor of a small machine
PACED = 1.0  # changes a second while it is measured when everybody knows, which all read on this machine
LONGER = 5  # times as long as the others that is measured
ROUNDS = 3
PATIENCE = 10.0  # seconds, of writers who wait for all others to have had their turn


async def main() -> None:
    """Measure on a database of its own, which is dropped afterwards."""
    async with database(os.environ["A2A_POSTGRES_URL"]) as url, AsyncExitStack() as house:
        await migrated(url)
        await entered(url)
        registries = [
            PostgresRegistry(await house.enter_async_context(connected(url, patience=PATIENCE))) for _ in range(WRITERS)
        ]
        followers = await children(house, "tests.bench.follower", FOLLOWERS, url)
        async with renewed(url) as renewals:
            writes = await rates(url, registries)
        async with renewed(url) as others:  # beside all that listen, who take what this machine has
            listening = await children(house, "tests.bench.listeners", LISTENING, url)
            known, everywhere, behind = await known_when(registries[0], [*followers, *listening])
    figures = {
        **{name: median(one.first[name] for one in followers) for name in followers[0].first},
        "nodes": NODES,
        "listeners": FOLLOWERS + sum(one.first["listeners"] for one in listening),
        **writes,
        "bare_ms": 1000 * WRITERS / writes["bare_per_s"],
        "renewals_wanted": NODES / DEFAULT.renewal,
        **{f"renewals_{name}": value for name, value in renewals.items()},
        "known_p50_ms": median(known) * 1000,
        "everywhere_p50_ms": median(everywhere) * 1000,
        "everywhere_p99_ms": quantiles(everywhere, n=100, method="inclusive")[98] * 1000,
        "errors": renewals["failed"] + others["failed"] + behind,
    }
    print(json.dumps(figures))  # noqa: T201 - the parent reads it


async def rates(url: str, registries: Sequence[PostgresRegistry]) -> dict[str, float]:
    """Registrations a second, and bare transactions that insert a row and notify, in rounds that take turns."""
    seen: dict[str, list[float]] = {"writes_per_s": [], "bare_per_s": []}
    async with AsyncExitStack() as house:
        links = [await house.enter_async_context(linked(url)) for _ in registries]
        await links[0].execute("CREATE TABLE bare (key text PRIMARY KEY)")
        for _ in range(ROUNDS):
            for name, writers in (
                ("writes_per_s", [registering(registry) for registry in registries]),
                ("bare_per_s", [inserting(link) for link in links]),
            ):
                seen[name].append(await rate(writers, SECONDS / ROUNDS))
    return {name: median(values) for name, values in seen.items()}


async def rate(writers: Sequence[Callable[[], Awaitable[object]]], seconds: float) -> float:
    """How often a second all of them together get something done, each doing one thing after the other."""
    begun, done = monotonic(), 0

    async def work(write: Callable[[], Awaitable[object]]) -> None:
        nonlocal done
        while monotonic() < begun + seconds:
            await write()
            done += 1

    await asyncio.gather(*map(work, writers))
    return done / (monotonic() - begun)


def registering(registry: PostgresRegistry) -> Callable[[], Awaitable[int]]:
    """One agent more, with an instance."""
    return lambda: registered(registry)


async def registered(registry: PostgresRegistry) -> int:
    """Register one agent more, at some node; the revision."""
    name = f"new-{uuid4()}"
    instance = Instance(str(uuid4()), name, node_id(hash(name) % NODES), InstanceKind.ATTACHED)
    _, revision = await registry.register(agent(name), OWNER, instance)
    return revision


def inserting(link: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
    """One row more, of which everybody hears."""

    async def insert() -> None:
        async with link.transaction():
            await link.execute("INSERT INTO bare VALUES ($1)", str(uuid4()))
            await link.execute("NOTIFY bare")

    return insert


async def known_when(registry: PostgresRegistry, followers: Sequence[Child]) -> tuple[list[float], list[float], int]:
    """Seconds from each commit until each directory knew of it, and until all did; and how many some never knew."""
    begun, committed = monotonic(), dict[int, float]()
    for number in range(max(10, round(PACED * LONGER * SECONDS))):
        await asyncio.sleep(max(0.0, begun + number / PACED - monotonic()))
        committed[await registered(registry)] = monotonic()
    said = [cast("list[list[tuple[int, float]]]", await one.end(max(committed))) for one in followers]
    heard = [one for many in said for one in many]
    each, last = list[float](), list[float]()
    for revision, at in committed.items():
        times = [min((then for known, then in one if known >= revision), default=None) for one in heard]
        took = [max(0.0, then - at) for then in times if then is not None]
        each += took
        if len(took) == len(heard):
            last.append(max(took))
    return each, last, len(committed) - len(last)


@asynccontextmanager
async def renewed(url: str) -> AsyncIterator[dict[str, float]]:
    """Keep the leases of all nodes until the block ends; then it is said how they fared."""
    said = dict[str, float]()
    async with child("tests.bench.renewing", url) as renewing:
        yield said
        said.update(cast("dict[str, float]", await renewing.end("stop")))


async def children(house: AsyncExitStack, module: str, count: int, url: str) -> Sequence[Child]:
    """So many programs of a kind."""
    return [await house.enter_async_context(child(module, url)) for _ in range(count)]


@asynccontextmanager
async def database(url: str) -> AsyncIterator[str]:
    """A database of its own on that server, dropped after the block."""
    name = f"members_{uuid4().hex}"
    async with linked(url) as link:
        await link.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            await link.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection."""
    link = await asyncpg.connect(url, ssl=False)
    try:
        yield link
    finally:
        await link.close(timeout=1)


if __name__ == "__main__":
    uvloop.run(main())
