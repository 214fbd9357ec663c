"""What is kept outside of the process: both stores, behind their ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from opentelemetry.trace import TracerProvider

from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.budget_ports import Budgets
from a2a_node.model.chosen_ids import ChosenIds
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.grant_ports import Grants
from a2a_node.model.key_ports import Keys
from a2a_node.model.limit_ports import Buckets, Limits
from a2a_node.model.outcome_ports import Outcomes
from a2a_node.model.registry_ports import Registry
from a2a_node.model.schedules import Schedules
from a2a_node.model.secret_ports import MeshSecrets
from a2a_node.model.state_ports import Sessions, Topics, Values
from a2a_node.model.stream_ports import Streams
from a2a_node.model.tool_ports import Servers
from a2a_node.model.workflow_ports import Templates
from a2a_node.store import postgres, redis, tls
from a2a_node.store.audit import PostgresAuditLog
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.budgets import RedisBudgets
from a2a_node.store.chosen_ids import RedisChosenIds
from a2a_node.store.freezes import PostgresFreezes
from a2a_node.store.grants import PostgresGrants
from a2a_node.store.keys import PostgresKeys
from a2a_node.store.limits import PostgresLimits
from a2a_node.store.outcomes import RedisOutcomes
from a2a_node.store.pool import Pool
from a2a_node.store.postgres import Postgres
from a2a_node.store.redis import Redis
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.run_bells import ringing
from a2a_node.store.runs import PostgresRuns
from a2a_node.store.schedules import PostgresSchedules
from a2a_node.store.sealed import Sealing
from a2a_node.store.secrets import PostgresSecrets
from a2a_node.store.servers import PostgresServers
from a2a_node.store.sessions import keeping
from a2a_node.store.streams import RedisStreams
from a2a_node.store.templates import PostgresTemplates
from a2a_node.store.topics import RedisTopics
from a2a_node.store.upgrading import migrated
from a2a_node.store.values import RedisValues
from a2a_node.store.wakeups import listening

BELIEVED = 1.0  # seconds that a connection to Postgres is not tried again: one that is closed is known at once


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
    chosen_ids: ChosenIds
    grants: Grants
    freezes: Freezes
    secrets: MeshSecrets
    audit: AuditLog
    keys: Keys
    budgets: Budgets
    limits: Limits
    buckets: Buckets
    templates: Templates
    schedules: Schedules
    runs: PostgresRuns  # for those who ask and wish, and for those who execute
    servers: Servers

    def pings(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """How to ask each store whether it is there."""
        return {"postgres": self.database.ping, "redis": self.shared.ping}

    def pools(self) -> Mapping[str, Callable[[], Pool]]:
        """How to ask each store for its pool."""
        return {"postgres": self.database.pool, "redis": self.shared.pool}


@asynccontextmanager
async def opened(
    postgres_url: str, redis_url: str, lease: float, traces: TracerProvider | None, passphrase: str = ""
) -> AsyncIterator[Stores]:
    """The stores behind their ports, the schema of Postgres up to date.

    `lease` is that of streams, of calls with a key and of MCP servers, in seconds; `traces` hears what calls ask of the
    stores; the passphrase hides the secrets of MCP servers.
    """
    async with AsyncExitStack() as house:
        await migrated(postgres_url)
        database = await house.enter_async_context(postgres.connected(postgres_url, traces=traces, believed=BELIEVED))
        shared = await house.enter_async_context(redis.connected(redis_url, traces=traces))
        await _believed(shared)
        wakeups = await house.enter_async_context(listening(shared))
        bells = await house.enter_async_context(ringing(shared, wakeups))
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
            RedisChosenIds(shared),
            PostgresGrants(database),
            PostgresFreezes(database),
            PostgresSecrets(database),
            PostgresAuditLog(database),
            PostgresKeys(database),
            RedisBudgets(shared),
            PostgresLimits(database),
            RedisBuckets(shared),
            PostgresTemplates(database),
            PostgresSchedules(database),
            PostgresRuns(database, bells),
            PostgresServers(database, Sealing(passphrase), lease=lease),
        )


async def _believed(shared: Redis) -> None:
    """StoreUnavailable where TLS is what keeps Redis away; for one that is away otherwise nobody waits."""
    try:
        await shared.ping()
    except StoreUnavailable as failure:
        if tls.fault(failure):
            raise
