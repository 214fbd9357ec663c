"""Where the stores of a node are: as they were named, or where its running node keeps them, or one started for now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from a2a_node.model.errors import DataDirectoryBusy, SettingInvalid
from a2a_node.settings import Settings
from a2a_node.store.embedded import DataDirectory, embedded, held
from a2a_node.store.embedded.access import kept_access
from a2a_node.store.embedded.postgres import Postgres
from a2a_node.store.embedded.valkey import Valkey

Kind = type[Postgres] | type[Valkey]


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The URL of the database while the block lasts; SettingInvalid where there is none."""
    if named := settings.postgres_url.get_secret_value():
        yield named
        return
    if not kept_database(settings.data_dir):
        raise SettingInvalid(
            "data_dir", f"{settings.data_dir} has no database; `a2a-node up` makes one, A2A_POSTGRES_URL names another"
        )
    async with AsyncExitStack() as house:
        try:
            directory = house.enter_context(held(settings.data_dir))
        except DataDirectoryBusy:
            yield kept_database(settings.data_dir)
        else:
            yield (await house.enter_async_context(embedded(directory))).postgres_url


def running_database(settings: Settings) -> str:
    """Where the database should answer now, named or embedded; empty where none should."""
    return settings.postgres_url.get_secret_value() or _running(settings.data_dir, Postgres)


def running_redis(settings: Settings) -> str:
    """The same of Redis or Valkey."""
    return settings.redis_url.get_secret_value() or _running(settings.data_dir, Valkey)


def kept_database(data_dir: Path) -> str:
    """Where the embedded Postgres of a data directory answers while it runs; empty where there is none."""
    return _kept(data_dir, Postgres)


def _running(data_dir: Path, kind: Kind) -> str:
    if not data_dir.exists():
        return ""
    try:
        with held(data_dir):
            return ""
    except DataDirectoryBusy:
        return _kept(data_dir, kind)


def _kept(data_dir: Path, kind: Kind) -> str:
    directory = DataDirectory(data_dir.expanduser().resolve(), None)
    try:
        access = kept_access(directory.file(kind.name, "secret"))
    except OSError as error:
        raise SettingInvalid("data_dir", f"{data_dir} cannot be read: {error.strerror}") from None
    return kind(directory).url(access) if access else ""
