"""Three processes under one limit never admit more than it allows, in any window, whatever befalls them or Redis."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from time import monotonic

from a2a_node.limits.limiter import Limiter, limiting
from a2a_node.model.errors import RateLimited
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.redis import connected
from tests.integration.limits.valkey import valkey
from tests.integration.limits.windows import Moment, certain_excess
from tests.integration.limits.worker import PROCESSES, SCHEDULES, rate_of

KILLS = 6
CALM = (0.5, 2.0)  # seconds between kills
STALLS = (0.1, 1.7)  # seconds that a process stands still, sometimes longer than its leases hold
RATES = [Rate(10, 100), Rate(50, 20), Rate(500, 300), Rate(3, 9)]
NODES = 3


async def test_a_hundred_schedules_with_kills_idle_spells_and_bursts(redis_url: str, tmp_path: Path) -> None:
    """In three processes at a time, any of which may stand still, or be killed with all that it has in hand."""
    file, seeds = tmp_path / "admitted", count()
    chance = random.Random(3)  # noqa: S311 - it keeps no secret, it tells a story
    workers = [await started(redis_url, next(seeds), file) for _ in range(PROCESSES)]
    try:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(*CALM))
            await stood_still(chance.choice(workers), chance.uniform(*STALLS))
            number = chance.randrange(PROCESSES)
            await killed(workers[number])
            workers[number] = await started(redis_url, next(seeds), file)
        await asyncio.sleep(CALM[1])
    finally:
        for worker in workers:
            await killed(worker)
    admitted = read(file)
    assert len(admitted) == SCHEDULES
    over = {number: certain_excess(moments, rate_of(number).rate) for number, moments in admitted.items()}
    assert {number: excess for number, excess in over.items() if excess > rate_of(number).burst + 1e-6} == {}


async def test_no_outage_of_redis_admits_a_call_too_many_or_holds_one_up(tmp_path: Path) -> None:
    """Stopped and back, killed and restarted: calls go on within the limit, and none waits for an answer."""
    async with valkey(tmp_path) as server, limiters(server.url) as nodes:
        load = Load(nodes)
        async with load.running():
            await asyncio.sleep(1.5)
            server.signal(signal.SIGSTOP)
            stopped = await load.through(3.0)
            server.signal(signal.SIGCONT)
            await asyncio.sleep(2.5)
            await server.kill()
            killed = await load.through(2.5)
            await server.start()
            await asyncio.sleep(3.5)
        assert [node.alone() for node in nodes] == [False] * NODES
        assert min(node.reach.fallbacks for node in nodes) >= 2
    for rate, moments in load.admitted.items():
        assert certain_excess(moments, rate.rate) <= rate.burst + 1e-6, rate
    assert max(end - begun for begun, end in load.asked) < 0.9  # Redis is given up after a second
    for outage in (stopped, killed):
        shared = [begun for begun, _ in load.admitted[RATES[2]] if outage[0] + 1.5 < begun < outage[1]]
        assert len(shared) > 0.5 * RATES[2].rate * (outage[1] - outage[0] - 1.5)


class Load:
    """Calls at all nodes, as fast as each limit allows and more, and what became of them."""

    def __init__(self, nodes: Sequence[Limiter]) -> None:
        self.admitted: dict[Rate, list[Moment]] = {rate: [] for rate in RATES}
        self.asked: list[Moment] = []
        self._nodes = nodes

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Call until the block ends."""
        calls = [asyncio.create_task(self._call(node, rate)) for node in self._nodes for rate in RATES]
        yield
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

    async def through(self, seconds: float) -> tuple[float, float]:
        """Let time pass; from when to when."""
        begun = monotonic()
        await asyncio.sleep(seconds)
        return begun, monotonic()

    async def _call(self, node: Limiter, rate: Rate) -> None:
        key = LimitKey("person:ann", "echo", str(rate))
        while True:
            await asyncio.sleep(0.5 / rate.rate)
            begun = monotonic()
            try:
                await node.take(key, rate)
            except RateLimited:
                self.asked.append((begun, monotonic()))
            else:
                self.asked.append((begun, monotonic()))
                self.admitted[rate].append(self.asked[-1])


@asynccontextmanager
async def limiters(url: str) -> AsyncIterator[Sequence[Limiter]]:
    """Three of them, each with connections of its own."""
    async with AsyncExitStack() as house:
        nodes = []
        for number in range(NODES):
            redis = await house.enter_async_context(connected(url))
            limiter = limiting(RedisBuckets(redis), f"n{number}", lambda: NODES)
            nodes.append(await house.enter_async_context(limiter))
        yield nodes


async def started(redis_url: str, seed: int, file: Path) -> asyncio.subprocess.Process:
    """A worker that calls."""
    command = (sys.executable, "-m", "tests.integration.limits.worker", redis_url, str(seed), str(file))
    pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    worker = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=quiet)
    assert worker.stdout is not None
    while (line := await worker.stdout.readline()) != b"ready\n":
        assert line, "the worker ended before it was ready"
    return worker


async def stood_still(worker: asyncio.subprocess.Process, seconds: float) -> None:
    """Stop a worker for so long."""
    worker.send_signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    worker.send_signal(signal.SIGCONT)


async def killed(worker: asyncio.subprocess.Process) -> None:
    """Kill a worker."""
    worker.kill()
    await worker.communicate()


def read(file: Path) -> dict[int, list[Moment]]:
    """What was admitted, by schedule."""
    admitted: dict[int, list[Moment]] = defaultdict(list)
    for line in file.read_text().splitlines():
        number, before, after = line.split()
        admitted[int(number)].append((float(before), float(after)))
    return admitted
