"""What is asked of the driver of Postgres: a connection, and what its failures mean. Nobody else names its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy import RowMapping
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection

from a2a_node.model.errors import InvalidInput, SettingInvalid, StoreUnavailable
from a2a_node.store.background import apart
from a2a_node.store.tls import readable

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
PARTING = 0.2  # seconds that a server may take to answer a farewell

# SQLSTATE classes and codes that say nothing about the request and all about the server: connection, authorization,
# no such database, resources, operator, system, a lock or a transaction that took too long, a standby.
AWAY = ("08", "28", "3D", "53", "57", "58", "55P03", "25P03", "25006")
FORBIDDEN = "42501"
# the last where something is asked of a connection to which the server has just said that it ends it
OF_THE_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
DATA = "22"  # the class of values that cannot be kept

SESSION = {
    "application_name": "a2a-node",
    # a node that is cut off in the middle of a change holds the lock of all until the server forgets it
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "jit": "off",
}


class Link(asyncpg.Connection):  # type: ignore[misc]  # the driver comes without types
    """A connection that never waits long for a server that does not answer its farewell."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the driver's own signature
        """Say farewell, and hang up when nobody answers."""
        with suppress(TimeoutError):  # the driver has hung up by then
            await super().close(timeout=min(timeout or PARTING, PARTING))


@dataclass(frozen=True, slots=True)
class Dial:
    """Makes connections to one database; SettingInvalid when the URL is none. Its password is never shown."""

    url: str = field(repr=False)
    patience: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", driver_url(self.url))
        readable("postgres_url", self.url)

    async def __call__(self) -> Link:
        """A fresh connection, within the patience."""
        dialling = asyncpg.connect(self.url, timeout=self.patience, connection_class=Link, server_settings=SESSION)
        link: Link = await apart(dialling, Link.terminate)
        return link


async def asked(lent: PoolProxiedConnection, statement: str, values: Sequence[object]) -> Sequence[RowMapping]:
    """What the driver itself answers on a connection of the pool, which gets it back unless it may be of no use.

    Its rows are read as those of SQLAlchemy are, by the names of their columns.
    """
    try:
        records = await cast("Link", lent.driver_connection).fetch(statement, *values)
    except asyncpg.PostgresError:
        raise
    except BaseException:  # nobody knows what comes next on it
        lent.invalidate()
        raise
    finally:
        lent.close()
    return cast("Sequence[RowMapping]", records)


def driver_url(url: str) -> str:
    """The URL as the driver wants it; SettingInvalid, without the URL's text, when it is wrong."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in SCHEMES and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        # not chained: the cause may quote the password
        raise SettingInvalid("postgres_url", "must look like postgresql://user:password@host:port/database") from None
    return urlunsplit(parts._replace(scheme="postgresql"))


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """StoreUnavailable or InvalidInput for the failures of the driver that mean so; the others pass."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeout, DBAPIError, *OF_THE_DRIVER) as failure:
        if _is_away(failure):
            raise StoreUnavailable("postgres") from failure
        if _sqlstate(failure).startswith(DATA):
            raise InvalidInput("request", "holds a NUL character, or a number that cannot be kept") from failure
        raise


@asynccontextmanager
async def permitted() -> AsyncIterator[None]:
    """SettingInvalid where the role that the URL names may not touch what the mesh keeps."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError) as failure:
        if _sqlstate(failure) != FORBIDDEN:
            raise
        problem = "its role may not read or make the mesh's tables; GRANT it the role that owns them, or name that one"
        raise SettingInvalid("postgres_url", problem) from failure


def _is_away(failure: Exception) -> bool:
    if isinstance(failure, DBAPIError):
        return failure.connection_invalidated or _sqlstate(failure).startswith(AWAY)
    return not isinstance(failure, asyncpg.PostgresError) or _sqlstate(failure).startswith(AWAY)


def _sqlstate(failure: Exception) -> str:
    cause = failure.orig if isinstance(failure, DBAPIError) else failure
    return str(getattr(cause, "sqlstate", None) or "")
