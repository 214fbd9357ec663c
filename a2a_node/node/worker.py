"""The process beside a node that executes runs of workflows, so that its work holds up no call.

It is told by a pipe on stdin what it needs, secrets among it, and later that it is to leave; when the pipe is closed
its node is gone, and it ends at once. It says `ready` on stdout.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import make_url

from a2a_node.client.step_calls import StepCalls
from a2a_node.client.steps import Steps
from a2a_node.expressions.fence import ready
from a2a_node.mesh.background import background
from a2a_node.model.places import EngineDoor
from a2a_node.node.orders import LEAVE, Orders, apart_of
from a2a_node.node.run_spans import RunSpans
from a2a_node.node.step_caller import StepCaller
from a2a_node.node.sub_runs import SubRuns
from a2a_node.node.telling import READY, say, tell, telling
from a2a_node.store import postgres, redis
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.run_bells import ringing
from a2a_node.store.runs import PostgresRuns
from a2a_node.store.templates import PostgresTemplates
from a2a_node.store.wakeups import listening
from a2a_node.tracing import exporting
from a2a_node.workflows.durable import Dbos
from a2a_node.workflows.engine import Engine
from a2a_node.workflows.lease import Executor, Lease
from a2a_node.workflows.library import Library
from a2a_node.workflows.news import News
from a2a_node.workflows.reading import Recorded, Shelf
from a2a_node.workflows.starting import Starting
from a2a_node.workflows.turns import Turns
from a2a_node.workflows.walk_ports import House

LOST = 75  # the exit code when the lease has ended: others may have the runs
PR_SET_PDEATHSIG = 1  # of prctl.h
NICE = 12  # calls through the node go before runs where there is too little of a processor
MEMORY = 2 * 1024**3  # bytes of data; it has about 200 MB, and a run at most some MB of steps at work
PATIENCE = 5.0  # seconds that Postgres has to answer
BELIEVED = 1.0  # seconds that a connection is not tried again: whoever changes a run asks again where it was lost

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
T = TypeVar("T")


async def work(told: Callable[[Orders], None], begun: Callable[[], None]) -> None:
    """Execute runs until the node says to leave, or is gone; `told` hears what the node says first.

    `begun` is called once all is made that stays.
    """
    _die_with_the_node()
    if sys.platform != "win32":
        os.nice(NICE)
    said = await _said()
    orders = Orders.of(await said.readline())
    told(orders)
    async with AsyncExitStack() as house:
        traces = await house.enter_async_context(AsyncExitStack())
        spans = RunSpans((await traces.enter_async_context(exporting(orders.traces))).spans)
        turns = Turns()
        engine, runs = await house.enter_async_context(_built(orders, spans, turns))
        begun()
        say(READY)
        await house.enter_async_context(background(partial(telling, runs.came)))
        leave = partial(engine.leave, orders.grace)
        leaving = asyncio.create_task(_told(said, turns, leave, runs.came, traces))
        house.callback(leaving.cancel)
        await leaving


async def _told(
    said: asyncio.StreamReader,
    turns: Turns,
    leave: Callable[[], Awaitable[None]],
    came: Counter[str],
    traces: AsyncExitStack,
) -> None:
    """Until the node says that this is to leave: nothing more is heard of it once it is gone."""
    while (apart := apart_of(line := await said.readline())) is not None:
        turns.space(apart)
    if line == LEAVE:
        gone = asyncio.create_task(_gone(said))
        await leave()
        await traces.aclose()
        gone.cancel()
        tell(came)
    os._exit(0)  # what DBOS has under way would be waited for, and goes on elsewhere


async def _gone(said: asyncio.StreamReader) -> None:
    await said.read()
    os._exit(0)


@asynccontextmanager
async def _built(orders: Orders, spans: RunSpans, turns: Turns) -> AsyncIterator[tuple[Engine, PostgresRuns]]:
    """The engine at work, from its stores to its claims, and the record that it keeps."""
    async with AsyncExitStack() as house:
        await ready()  # expressions
        database = await house.enter_async_context(
            postgres.connected(orders.postgres_url, patience=PATIENCE, believed=BELIEVED)
        )
        shared = await house.enter_async_context(redis.connected(orders.redis_url))
        wakeups = await house.enter_async_context(listening(shared))
        bells = await house.enter_async_context(ringing(shared, wakeups))
        runs, templates = PostgresRuns(database, bells), PostgresTemplates(database)
        steps = await house.enter_async_context(Steps.through(EngineDoor(orders.door, orders.key), orders.max_message))
        who = Executor(orders.executor, orders.node_id, orders.lease)
        recorded = Recorded(runs, who.id)
        starting = Starting(Library(templates))
        caller = StepCaller(StepCalls(steps), PostgresRegistry(database), orders.node_id)

        def at_hand(news: News) -> House:
            children = SubRuns(runs, starting, news)
            record = recorded.write, recorded.run, recorded.read
            return House(caller, children, *record, lease.now, random.random, _aside, spans, turns.turn)

        lease = Lease(who, runs, _lost)
        engine = Engine(who, lease, runs, Shelf(templates).template, at_hand)
        await lease.begin()  # before DBOS is there: others would take its first runs for orphans
        remembers = Dbos(_for_psycopg(orders.postgres_url), who.id, f"a2a:{orders.node_id}", engine.walk)
        await remembers.launch()
        await lease.begin()  # anew: the launch holds up the loop, for seconds where it makes its tables
        executing = asyncio.create_task(engine.execute(remembers))
        executing.add_done_callback(_unexpected)
        yield engine, runs


def _unexpected(executing: asyncio.Task[None]) -> None:
    """An engine that stops by itself is started again, in a new process."""
    if not executing.cancelled() and executing.exception() is not None:
        log.error("the engine stopped", exc_info=executing.exception())
    os._exit(1)


def _lost() -> None:
    log.error("the lease of the engine has ended; its runs go on elsewhere")
    os._exit(LOST)


async def _said() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def _for_psycopg(url: str) -> str:
    """The URL with the driver that DBOS uses."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _bounded() -> None:
    """Let it have so much memory: beyond it a run fails, or this process ends and is started again, not the machine."""
    import resource  # noqa: PLC0415 - not on every system

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    bound = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


def _die_with_the_node() -> None:
    """Have the system end this process with its parent, where it can; the pipe says so everywhere else."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _bounded()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the node has it, too, and says what to do
