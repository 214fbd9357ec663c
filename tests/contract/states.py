"""The stores of shared state under contract, each in a house that lets time pass and takes Redis away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from sqlalchemy import text

from a2a_node.model.budget_ports import Budgets
from a2a_node.model.chosen_ids import ChosenIds
from a2a_node.model.outcome_ports import Outcomes
from a2a_node.model.state_ports import Sessions, Topics, Values
from a2a_node.model.stream_ports import Streams
from a2a_node.store import postgres, redis, sessions, wakeups
from a2a_node.store.budgets import RedisBudgets
from a2a_node.store.chosen_ids import RedisChosenIds
from a2a_node.store.outcomes import RedisOutcomes
from a2a_node.store.streams import RedisStreams
from a2a_node.store.topics import RedisTopics
from a2a_node.store.values import RedisValues
from a2a_node.testing import (
    Clock,
    Line,
    MemoryBudgets,
    MemoryChosenIds,
    MemoryOutcomes,
    MemorySessions,
    MemoryStreams,
    MemoryTopics,
    MemoryValues,
    line_to,
)

SUBSCRIBERS = 3
PATIENCE = 10.0  # seconds; a busy machine is no reason to fail
AGED_ROWS = """
UPDATE sessions SET created_at = created_at - make_interval(secs => :seconds),
  last_accessed = last_accessed - make_interval(secs => :seconds),
  expires_at = expires_at - make_interval(secs => :seconds)
"""
AGED_KEYS = redis.Script(
    """
    for _, key in ipairs(redis.call('KEYS', 'a2a:*')) do
      local left = redis.call('PTTL', key)
      if left >= 0 then
        redis.call('PEXPIRE', key, left - ARGV[1] * 1000)
      end
      if string.find(key, '^a2a:session:') and redis.call('EXISTS', key) == 1 then
        for _, field in ipairs({'created', 'accessed', 'written'}) do
          redis.call('HINCRBY', key, field, -ARGV[1] * 1000000)
        end
      end
      if string.find(key, '^a2a:stream:.*:place$') and redis.call('EXISTS', key) == 1 then
        for _, field in ipairs({'until', 'reader'}) do
          redis.call('HINCRBY', key, field, -ARGV[1] * 1000)
        end
      end
    end
    """
)


class House(Protocol):
    """The stores, and what a test can do to their surroundings."""

    values: Values
    topics: Topics
    outcomes: Outcomes
    sessions: Sessions
    budgets: Budgets
    streams: Streams
    chosen_ids: ChosenIds

    async def elapse(self, seconds: int) -> None:
        """Let time pass for all that is kept."""

    async def empty(self) -> None:
        """Empty Redis."""

    async def lose(self) -> None:
        """Take Redis away."""

    async def recover(self) -> None:
        """Bring Redis back, with all that it knew."""


class MemoryHouse:
    """The stores in memory."""

    def __init__(self) -> None:
        self._clock = Clock()
        values, topics = MemoryValues(self._clock), MemoryTopics(self._clock, subscribers=SUBSCRIBERS)
        outcomes, sessions = MemoryOutcomes(self._clock), MemorySessions(self._clock)
        budgets, streams = MemoryBudgets(self._clock), MemoryStreams(self._clock)
        self._forget = topics.forget
        chosen_ids = MemoryChosenIds(self._clock)
        self._twins = (values, topics, outcomes, sessions, budgets, streams, chosen_ids)
        self.budgets: Budgets = budgets
        self.values: Values = values
        self.topics: Topics = topics
        self.outcomes: Outcomes = outcomes
        self.sessions: Sessions = sessions
        self.streams: Streams = streams
        self.chosen_ids: ChosenIds = chosen_ids

    async def elapse(self, seconds: int) -> None:
        """Move the clock."""
        self._clock.advance(seconds)

    async def empty(self) -> None:
        """Forget the topics; sessions survive, and no test asks for the rest."""
        self._forget()

    async def lose(self) -> None:
        """Play that Redis is away."""
        for twin in self._twins:
            twin.lose()

    async def recover(self) -> None:
        """Play that Redis is back."""
        for twin in self._twins:
            twin.recover()


class RedisHouse:
    """The stores in Redis, reached over a line that can be cut, and in Postgres."""

    def __init__(
        self, server: redis.Redis, database: postgres.Postgres, line: Line, kept: Sessions, heard: wakeups.Wakeups
    ) -> None:
        self._server = server
        self._database = database
        self._line = line
        self.values: Values = RedisValues(server)
        self.topics: Topics = RedisTopics(server, heard, subscribers=SUBSCRIBERS)
        self.outcomes: Outcomes = RedisOutcomes(server, heard)
        self.sessions: Sessions = kept
        self.budgets: Budgets = RedisBudgets(server)
        self.streams: Streams = RedisStreams(server, heard)
        self.chosen_ids: ChosenIds = RedisChosenIds(server)

    async def elapse(self, seconds: int) -> None:
        """Move all moments towards the past: the clocks of the stores cannot be moved."""
        await self._server.run(AGED_KEYS, [], seconds)
        await self._database.fetch(text(AGED_ROWS), {"seconds": seconds})

    async def empty(self) -> None:
        """Empty it."""
        await self._server.ask("FLUSHALL")

    async def lose(self) -> None:
        """Cut the line."""
        self._line.cut()

    async def recover(self) -> None:
        """Restore the line."""
        await self._line.restore()


@asynccontextmanager
async def housed(redis_url: str, postgres_url: str) -> AsyncIterator[RedisHouse]:
    """A house on an empty Redis and a migrated database, whose sessions are forgotten."""
    parts = urlsplit(redis_url)
    async with (
        line_to(parts.hostname or "", parts.port or 6379) as line,
        redis.connected(
            parts._replace(netloc=f":{parts.password}@127.0.0.1:{line.port}").geturl(), patience=PATIENCE
        ) as server,
        postgres.connected(postgres_url, patience=PATIENCE) as database,
        wakeups.listening(server) as heard,
        sessions.keeping(server, database) as kept,
    ):
        await database.fetch(text("TRUNCATE sessions"))
        yield RedisHouse(server, database, line, kept, heard)
