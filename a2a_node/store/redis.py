"""The connection to Redis: a bounded pool, short patience, and one place that says when Redis is away.

A command is sent once: who asked decides whether to ask again, because only they know whether a second time does harm.
A connection that was cut is replaced when it is next needed, so that work goes on by itself when Redis is back.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from opentelemetry.trace import TracerProvider
from redis.asyncio.client import PubSub
from redis.asyncio.client import Redis as Client
from redis.asyncio.connection import BlockingConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from a2a_node.model.errors import SettingInvalid, StoreUnavailable
from a2a_node.store.patience import Patience
from a2a_node.store.pool import Pool
from a2a_node.store.redis_connections import Ending, OverTls
from a2a_node.store.tls import readable
from a2a_node.store.traces import trace_redis

POOL_SIZE = 64
PATIENCE = 1.0  # seconds for all of a command: a connection, the question and the answer
SCRIPTS = Path(__file__).parent / "scripts"

# A server that loads its data, lost its memory or its master cannot serve, although it answers.
AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
    OSError,
    TimeoutError,
)

Argument: TypeAlias = str | bytes | int | float


@contextmanager
def reaching() -> Iterator[None]:
    """StoreUnavailable for every failure that means that Redis cannot serve."""
    try:
        yield
    except AWAY as error:
        raise StoreUnavailable("redis") from error


class Script:
    """A Lua script, which the server keeps by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


ScriptCall: TypeAlias = tuple[Script, Sequence[str], Sequence[Argument]]  # on these keys, with these arguments


def script(*names: str) -> Script:
    """The script of these files of `scripts/`, one after the other."""
    return Script("\n".join((SCRIPTS / f"{name}.lua").read_text(encoding="utf-8") for name in names))


class _Commands(Protocol):
    """What is used of redis-py's client and pipeline, which type neither arguments nor answers."""

    async def execute_command(self, *command: Argument) -> object: ...


class _Pipeline(Protocol):
    """Commands that are sent together."""

    def execute_command(self, *command: Argument) -> object: ...

    async def execute(self) -> list[object]: ...


class _Connection(Protocol):
    """What is used of redis-py's connection."""

    def pack_commands(self, commands: Sequence[Sequence[Argument]]) -> Sequence[bytes]: ...

    async def send_packed_command(self, command: Sequence[bytes]) -> None: ...

    async def read_response(self) -> object: ...

    async def disconnect(self, nowait: bool) -> None: ...  # noqa: FBT001 - redis-py's own


class _Connections(Protocol):
    """And of its pool."""

    async def get_connection(self) -> _Connection: ...

    async def release(self, connection: _Connection) -> None: ...


class Redis:
    """Asks commands and scripts; each is answered within the patience, or raises StoreUnavailable."""

    def __init__(self, client: Client, patience: float, *, traced: bool = False) -> None:
        self._client = client
        self._commands = cast("_Commands", client)
        self._connections = cast("_Connections", client.connection_pool)
        self._patience, self._traced = patience, traced

    async def ask(self, *command: Argument) -> object:
        """Send one command; its answer, texts as bytes."""
        with reaching():
            async with Patience(self._patience):
                return await self._commands.execute_command(*command)

    async def ask_all(self, commands: Sequence[Sequence[Argument]], *, atomically: bool = False) -> list[object]:
        """Send commands in one trip; their answers in order. Atomically, all keys share one hash tag."""
        with reaching():
            async with Patience(self._patience):
                if not atomically and not self._traced:
                    return await _trip(self._connections, commands)
                async with self._client.pipeline(transaction=atomically) as pipeline:
                    together = cast("_Pipeline", pipeline)
                    for command in commands:
                        together.execute_command(*command)
                    return await together.execute()

    async def run(self, code: Script, keys: Sequence[str], *arguments: Argument) -> object:
        """Run a script on keys that share one hash tag; its answer."""
        try:
            return await self.ask("EVALSHA", code.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.ask("EVAL", code.text, len(keys), *keys, *arguments)

    async def run_all(self, calls: Sequence[ScriptCall]) -> list[object]:
        """Run scripts in one trip, one after the other, each on keys of one hash tag; their answers in order.

        Where the server lost one all are sent again: each must bear that.
        """
        try:
            return await self.ask_all([("EVALSHA", one.digest, len(keys), *keys, *rest) for one, keys, rest in calls])
        except NoScriptError:
            return await self.ask_all([("EVAL", one.text, len(keys), *keys, *rest) for one, keys, rest in calls])

    def pool(self) -> Pool:
        """How the pool stands now."""
        pool = self._client.connection_pool
        (idle, _), (in_use, _) = pool.get_connection_count()
        return Pool(in_use=in_use, idle=idle, size=pool.max_connections)

    async def ping(self) -> None:
        """StoreUnavailable unless Redis answers now."""
        await self.ask("PING")

    def pubsub(self) -> PubSub:
        """A connection for subscriptions; who made it closes it."""
        return self._client.pubsub()


async def _trip(connections: _Connections, commands: Sequence[Sequence[Argument]]) -> list[object]:
    """Commands that are sent together, without what redis-py's pipeline does for each: a third of what they take."""
    connection = await connections.get_connection()
    try:
        await connection.send_packed_command(connection.pack_commands(commands))
        answers = [await _answer(connection) for _ in commands]
    except BaseException:  # nobody knows what comes next on it
        await connection.disconnect(nowait=True)
        raise
    finally:
        await connections.release(connection)
    if refusal := next((answer for answer in answers if isinstance(answer, ResponseError)), None):
        raise refusal
    return answers


async def _answer(connection: _Connection) -> object:
    """An answer, or why a command was refused: the answers of the others follow all the same."""
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal


@asynccontextmanager
async def connected(
    url: str, *, pool_size: int = POOL_SIZE, patience: float = PATIENCE, traces: TracerProvider | None = None
) -> AsyncIterator[Redis]:
    """A pool on `redis://` or `rediss://` until the block ends; it connects when it is first asked."""
    client = Client.from_pool(_pool(url, pool_size, patience))
    if traces is not None:
        trace_redis(client, traces)
    try:
        yield Redis(client, patience, traced=traces is not None)
    finally:
        await client.aclose()


def _pool(url: str, size: int, patience: float) -> BlockingConnectionPool:
    invalid = SettingInvalid("redis_url", "must look like redis://user:password@host:port/0")
    if not url.startswith(("redis://", "rediss://")):
        raise invalid
    readable("redis_url", url)
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=size,
            timeout=patience,
            socket_timeout=None,  # ours holds for a whole command; with this one redis-py can lose a cancellation
            socket_connect_timeout=patience,
            socket_keepalive=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            connection_class=Ending,
        )
        if issubclass(pool.connection_class, SSLConnection):  # the URL has its own one with TLS
            pool.connection_class = OverTls
        pool.connection_class(**pool.connection_kwargs)  # what is wrong with its TLS is said now, not at every question
    except ValueError:
        raise invalid from None  # not chained: the cause may quote the password
    except RedisError as error:
        raise SettingInvalid("redis_url", str(error)[:200]) from None
    return pool
