"""The buckets under contract, each in a house that lets time pass and spoils their store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from a2a_node.model.limit_ports import Buckets
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.redis import Redis, Script
from a2a_node.testing import Line, MemoryBuckets
from tests.integration.store.redis_lines import lined

PATIENCE = 10.0  # seconds; a busy machine is no reason to fail
AGED = Script(
    """
    for _, key in ipairs(redis.call('KEYS', 'a2a:limit*')) do
      local flat = redis.call('HGETALL', key)
      for at = 1, #flat, 2 do
        local name, value = flat[at], flat[at + 1]
        if name == 'at' or name == 'told' or string.sub(name, 1, 2) == 'n:' or (name == 'since' and value ~= '0') then
          redis.call('HSET', key, name, string.format('%.0f', tonumber(value) - ARGV[1] * 1000000))
        elseif string.sub(name, 1, 2) == 'l:' then
          local tokens, ends = string.match(value, '^(%d+) (%d+)$')
          redis.call('HSET', key, name, string.format('%s %.0f', tokens, tonumber(ends) - ARGV[1] * 1000000))
        end
      end
      local left = redis.call('PTTL', key)
      if left >= 0 then
        redis.call('PEXPIRE', key, left - ARGV[1] * 1000)
      end
    end
    """
)
RUN = Script("for _, key in ipairs(redis.call('KEYS', 'a2a:limits:*')) do redis.call('HSET', key, 'run', 'before') end")


class BucketHouse(Protocol):
    """Buckets, and what a test can do to their surroundings."""

    @property
    def buckets(self) -> Buckets:
        """The buckets under contract."""

    async def elapse(self, seconds: float) -> int:
        """Let time pass; how far a moment that was told before lies back now, in microseconds."""

    async def restart(self) -> None:
        """Let another run of the store answer from now on."""

    async def flush(self) -> None:
        """Delete all data."""

    async def lose(self) -> None:
        """Take the store away."""


class MemoryBucketHouse:
    """Buckets in memory, on a clock that stands still."""

    def __init__(self) -> None:
        self._now = 1000.0
        self.buckets = MemoryBuckets(lambda: self._now)

    async def elapse(self, seconds: float) -> int:
        """Move the clock."""
        self._now += seconds
        return 0

    async def restart(self) -> None:
        """Play it."""
        self.buckets.restart()

    async def flush(self) -> None:
        """Forget all."""
        self.buckets.flush()

    async def lose(self) -> None:
        """Play that Redis is away."""
        self.buckets.lose()


class RedisBucketHouse:
    """Buckets in Redis, reached over a line that can be cut."""

    def __init__(self, server: Redis, line: Line) -> None:
        self._server = server
        self._line = line
        self.buckets = RedisBuckets(server)

    async def elapse(self, seconds: float) -> int:
        """Move all moments towards the past: the clock of Redis cannot be moved."""
        await self._server.run(AGED, [], seconds)
        return round(seconds * 1_000_000)

    async def restart(self) -> None:
        """Write that another run was there before."""
        await self._server.run(RUN, [])

    async def flush(self) -> None:
        """Empty it."""
        await self._server.ask("FLUSHALL")

    async def lose(self) -> None:
        """Cut the line."""
        self._line.cut()


@asynccontextmanager
async def bucketing(url: str | None) -> AsyncIterator[BucketHouse]:
    """A house on an empty Redis, or in memory when there is no URL."""
    if url is None:
        yield MemoryBucketHouse()
        return
    async with lined(url, patience=PATIENCE) as (server, line):
        yield RedisBucketHouse(server, line)
