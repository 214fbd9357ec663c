"""What is kept outside of the process: both stores, behind their ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from opentelemetry.trace import TracerProvider

from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.key_ports import Keys
from a2a_node.model.limit_ports import Buckets, Limits
from a2a_node.model.ports import AuditLog, Budgets, Grants, MeshSecrets, Outcomes, Registry, Sessions, Topics, Values
from a2a_node.model.stream_ports import Streams
from a2a_node.model.workflow_ports import Templates
from a2a_node.store import postgres, redis
from a2a_node.store.audit import PostgresAuditLog
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.budgets import RedisBudgets
from a2a_node.store.freezes import PostgresFreezes
from a2a_node.store.grants import PostgresGrants
from a2a_node.store.keys import PostgresKeys
from a2a_node.store.limits import PostgresLimits
from a2a_node.store.outcomes import RedisOutcomes
from a2a_node.store.pool import Pool
from a2a_node.store.postgres import Postgres
from a2a_node.store.redis import Redis
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.secrets import PostgresSecrets
from a2a_node.store.sessions import keeping
from a2a_node.store.streams import RedisStreams
from a2a_node.store.templates import PostgresTemplates
from a2a_node.store.topics import RedisTopics
from a2a_node.store.upgrading import migrated
from a2a_node.store.values import RedisValues
from a2a_node.store.wakeups import listening


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept outside of the process."""

    database: Postgres
    shared: Redis
    registry: Registry
    outcomes: Outcomes
    sessions: Sessions
    values: Values
    topics: Topics
    streams: Streams
    grants: Grants
    freezes: Freezes
    secrets: MeshSecrets
    audit: AuditLog
    keys: Keys
    budgets: Budgets
    limits: Limits
    buckets: Buckets
    templates: Templates

    def pings(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """How to ask each store whether it is there."""
        return {"postgres": self.database.ping, "redis": self.shared.ping}

    def pools(self) -> Mapping[str, Callable[[], Pool]]:
        """How to ask each store for its pool."""
        return {"postgres": self.database.pool, "redis": self.shared.pool}


@asynccontextmanager
async def opened(
    postgres_url: str, redis_url: str, lease: float, traces: TracerProvider | None
) -> AsyncIterator[Stores]:
    """The stores behind their ports, the schema of Postgres up to date.

    `lease` is that of streams and of calls with a key, in seconds; `traces` hears what calls ask of the stores.
    """
    async with AsyncExitStack() as house:
        await migrated(postgres_url)
        database = await house.enter_async_context(postgres.connected(postgres_url, traces=traces))
        shared = await house.enter_async_context(redis.connected(redis_url, traces=traces))
        wakeups = await house.enter_async_context(listening(shared))
        sessions = await house.enter_async_context(keeping(shared, database))
        yield Stores(
            database,
            shared,
            PostgresRegistry(database),
            RedisOutcomes(shared, wakeups, lease=lease),
            sessions,
            RedisValues(shared),
            RedisTopics(shared, wakeups),
            RedisStreams(shared, wakeups, lease=lease),
            PostgresGrants(database),
            PostgresFreezes(database),
            PostgresSecrets(database),
            PostgresAuditLog(database),
            PostgresKeys(database),
            RedisBudgets(shared),
            PostgresLimits(database),
            RedisBuckets(shared),
            PostgresTemplates(database),
        )
