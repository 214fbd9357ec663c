"""The faults: what is done to a mesh, for how long, and how it is undone."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from a2a_node.mesh.background import background
from tests.chaos import clock
from tests.chaos.mesh import NODES, Mesh

Done = Callable[[Mesh, int], AbstractAsyncContextManager[None]]
HOUR = 3600
STOP = 5.0  # seconds that a process is stopped: longer than its lease, and than others wait for it
DELAYED, DELAY = 10, 2.0  # one connection in ten, by two seconds
BETWEEN = 0.6, 1.4  # seconds from one cut to the next


class Kind(Enum):
    """How a fault is repeated, and when the mesh can recover."""

    ROUNDS = auto()  # many times; from the moment that it is done
    OUTAGE = auto()  # once and long; from the moment that it is over, for keys need their store
    SPELL = auto()  # once and long; from the moment that it is done


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of misfortune; `done` is told which round it is, and a block in it is the time that it lasts."""

    name: str
    kind: Kind
    done: Done
    churn: int = 0
    times: int = 1  # that one which lasts is done
    most: int = 20  # rounds of one that is done many times
    forgets: bool = False  # outcomes that were told before it are lost with it
    dies: bool = False  # an agent, or its node: streams may end with an error, after all that was said


@asynccontextmanager
async def nothing(_: Mesh, __: int) -> AsyncIterator[None]:
    """No fault, to see that the figures are clean without one."""
    yield


def killed(part: str) -> Done:
    """Kill -9, then start again."""

    @asynccontextmanager
    async def done(mesh: Mesh, _: int) -> AsyncIterator[None]:
        await mesh.parts[part].end(signal.SIGKILL)
        yield
        await mesh.parts[part].start()

    return done


def stopped(part: str) -> Done:
    """SIGSTOP, then SIGCONT: it neither works nor dies, and goes on with what it was at."""

    @asynccontextmanager
    async def done(mesh: Mesh, _: int) -> AsyncIterator[None]:
        mesh.parts[part].signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(STOP)
            yield
        finally:
            mesh.parts[part].signal(signal.SIGCONT)

    return done


def away(*stores: str) -> Done:
    """Stores that are stopped: their connections stay, and nothing answers."""

    @asynccontextmanager
    async def done(mesh: Mesh, _: int) -> AsyncIterator[None]:
        processes = mesh.servers(*stores)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    return done


def gone(*stores: str) -> Done:
    """Stores that are killed and stay away: connections to them are refused."""

    @asynccontextmanager
    async def done(mesh: Mesh, _: int) -> AsyncIterator[None]:
        async with mesh.without(*stores):
            yield

    return done


def died(store: str) -> Done:
    """Kill -9 of a store; whoever keeps it starts it again on its data."""

    @asynccontextmanager
    async def done(mesh: Mesh, _: int) -> AsyncIterator[None]:
        await mesh.kill(store)
        yield

    return done


@asynccontextmanager
async def emptied(mesh: Mesh, _: int) -> AsyncIterator[None]:
    """Redis dies, and comes back without any of its data."""
    await mesh.kill("valkey-server", emptied=True)
    yield


@asynccontextmanager
async def parted(mesh: Mesh, _: int) -> AsyncIterator[None]:
    """Nothing passes between two nodes, while both reach the stores, the third one and their agents."""
    await mesh.doors["serving"].bar("front")
    await mesh.doors["front"].bar("serving")
    try:
        yield
    finally:
        await mesh.doors["serving"].bar()
        await mesh.doors["front"].bar()


@asynccontextmanager
async def delayed(mesh: Mesh, _: int) -> AsyncIterator[None]:
    """One connection in ten leads nowhere for two seconds; nodes make many, for their links are cut again and again.

    RuntimeError when none was delayed of clients, or none of nodes.
    """
    with mesh.for_clients.delaying(DELAYED, DELAY), mesh.for_nodes.delaying(DELAYED, DELAY):
        async with background(partial(cut_again, mesh)):
            yield


async def cut_again(mesh: Mesh) -> None:
    """Have all links between nodes break every second or so, for ever."""
    while True:
        await asyncio.sleep(random.uniform(*BETWEEN))  # noqa: S311 - some links were open long enough, some not
        for node in NODES:
            mesh.doors[node].cut()


@asynccontextmanager
async def cut(mesh: Mesh, _: int) -> AsyncIterator[None]:
    """Every link between two nodes breaks, without a word. RuntimeError when there was none."""
    if not sum(mesh.doors[node].cut() for node in NODES):
        raise RuntimeError("no link was cut")
    yield


@asynccontextmanager
async def off_clock(mesh: Mesh, round_: int) -> AsyncIterator[None]:
    """The serving node starts again with a clock that is an hour fast, or slow; afterwards with the right one."""
    built = clock.library(mesh.home)
    if built is None:
        raise RuntimeError("a clock that is off needs a C compiler, and there is none")
    node = mesh.parts["serving"]
    await node.end()
    await node.start(**clock.off_by(built, -HOUR if round_ % 2 else HOUR))
    yield
    await node.end()
    await node.start()


LANES = (
    (
        Fault("none", Kind.SPELL, nothing),
        Fault("serving_node_killed", Kind.ROUNDS, killed("serving"), dies=True),
        Fault("serving_node_stopped", Kind.ROUNDS, stopped("serving"), dies=True),
        Fault("agent_stopped", Kind.ROUNDS, stopped("a")),
        Fault("connections_delayed", Kind.SPELL, delayed, churn=5),
    ),
    (
        Fault("agent_killed", Kind.ROUNDS, killed("a"), dies=True),
        Fault("client_node_killed", Kind.ROUNDS, killed("front")),
        Fault("client_node_stopped", Kind.ROUNDS, stopped("front")),
        Fault("clock_an_hour_fast_or_slow", Kind.SPELL, off_clock, times=2),
    ),
    (
        Fault("postgres_killed", Kind.ROUNDS, died("postgres"), most=5),
        Fault("redis_killed", Kind.ROUNDS, died("valkey-server"), most=5),
        Fault("redis_emptied", Kind.ROUNDS, emptied, most=3, forgets=True),
        Fault("postgres_stopped", Kind.OUTAGE, away("postgres")),
        Fault("redis_stopped", Kind.OUTAGE, away("valkey-server")),
        Fault("both_stores_stopped", Kind.OUTAGE, away("postgres", "valkey-server")),
        Fault("postgres_gone", Kind.OUTAGE, gone("postgres")),
        Fault("redis_gone", Kind.OUTAGE, gone("valkey-server")),
        Fault("both_stores_gone", Kind.OUTAGE, gone("postgres", "valkey-server")),
        Fault("two_nodes_parted", Kind.SPELL, parted),
        Fault("links_cut", Kind.ROUNDS, cut),
    ),
)
