"""How a database of the settings is reached: by a name; its password never stands in an input, an argument or a log."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.command import Finished
from a2a_node.ops.workplace import Workplace

SECONDS, CLOSING = 15.0, 5.0  # to connect, and to part
PLAIN = re.compile(r"[^\r\n]*")
UNIFORM: Mapping[str, str] = {  # so that equal rows are equal texts, whatever the server's own settings are
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "application_name": "a2a-node",
}


class Databases:
    """The databases that the settings name, by their names."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls

    def url(self, name: str, database: str = "") -> str:
        """Where a database is, or another one of its server; InvalidInput for a name that the settings do not have."""
        if name not in self._urls:
            known = ", ".join(self._urls) or "none"
            raise InvalidInput("input.database", f"{name[:80]!r} is no database of A2A_OPS_DATABASES; it has: {known}")
        return urlsplit(self._urls[name])._replace(path=f"/{database}").geturl() if database else self._urls[name]

    def called(self, name: str) -> str:
        """How the server calls the database."""
        return unquote(urlsplit(self.url(name)).path.lstrip("/"))

    @asynccontextmanager
    async def connected(self, name: str, database: str = "") -> AsyncIterator[asyncpg.Connection]:
        """A connection; AgentRefused (DATABASE_AWAY, DATABASE_FAILED) without a word of where it leads."""
        url = self.url(name, database)
        try:
            connection = await asyncpg.connect(url, timeout=SECONDS, server_settings=dict(UNIFORM))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            why = f"database {name!r} cannot be reached: {type(error).__name__}"
            raise AgentRefused(
                why,
                code="UNAVAILABLE",
                reason="DATABASE_AWAY",
            ) from None
        try:
            yield connection
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise AgentRefused(f"database {name!r} refused: {error}", reason="DATABASE_FAILED") from None
        finally:
            with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=CLOSING)

    async def ran(self, workplace: Workplace, argv: Sequence[str], at: tuple[str, str], seconds: float) -> Finished:
        """Run a program of Postgres on a database of the server of one; AgentRefused (DATABASE_FAILED) when it fails.

        It finds the way, and the password, in a file that this user alone can read and that goes with it.
        """
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="a2a-node-"))
        try:
            file = folder / "service"
            file.touch(mode=0o600)
            file.write_text(service(self.url(*at)), encoding="utf-8")
            surroundings = {"PGSERVICEFILE": str(file), "PGSERVICE": "it", "PGCONNECT_TIMEOUT": f"{SECONDS:.0f}"}
            done = await workplace.run(argv, seconds=seconds, environment=surroundings)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
        if done.code:
            raise AgentRefused(f"{argv[0]} failed: {done.errors.strip()[-500:]}", reason="DATABASE_FAILED")
        return done


def service(url: str) -> str:
    """A URL as libpq's service file has it."""
    parts = urlsplit(url)
    told = {
        "host": parts.hostname or "",
        "port": str(parts.port or 5432),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.lstrip("/")),
        **dict(parse_qsl(parts.query)),
    }
    lines = [f"{name}={value}" for name, value in told.items() if value and PLAIN.fullmatch(value)]
    return "\n".join(["[it]", *lines, ""])
