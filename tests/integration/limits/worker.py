"""A process that calls under many limits, as unevenly as chance has it, until it is killed.

`python -m tests.integration.limits.worker REDIS_URL SEED FILE` appends a line for every call that was admitted: the
number of its limit, and the time before and after it was asked for, by a clock that all processes share.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from time import monotonic

from a2a_node.limits.limiter import Limiter, limiting
from a2a_node.model.errors import RateLimited
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.redis import connected

RATES = [Rate(10, 100), Rate(50, 20), Rate(1, 10), Rate(20, 30), Rate(3, 5), Rate(2, 1), Rate(20, 2)]
SCHEDULES = 100
PROCESSES = 3


def rate_of(number: int) -> Rate:
    """The limit of a schedule."""
    return RATES[number % len(RATES)]


async def schedule(limiter: Limiter, number: int, chance: random.Random, file: int) -> None:
    """Bursts, steady spells and idle ones, for ever."""
    rate = rate_of(number)
    key = LimitKey(f"person:p{number}", "echo", "say")
    while True:
        await asyncio.sleep(chance.expovariate(0.5))
        pace = chance.choice([0.0, 0.0, 0.3 / rate.rate, 2 / rate.rate])
        for _ in range(chance.randint(1, rate.burst)):
            await asyncio.sleep(chance.expovariate(1 / pace) if pace else 0)
            before = monotonic()
            try:
                await limiter.take(key, rate)
            except RateLimited:
                if not pace:
                    break
            else:
                os.write(file, f"{number} {before} {monotonic()}\n".encode())


async def main(redis_url: str, seed: int, path: str) -> None:
    """Run all schedules; prints `ready` when they begin."""
    chance = random.Random(seed)  # noqa: S311 - it keeps no secret, it tells a story
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with connected(redis_url) as redis, limiting(RedisBuckets(redis), f"w{seed}", lambda: PROCESSES) as limiter:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.gather(*(schedule(limiter, number, chance, file) for number in range(SCHEDULES)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
