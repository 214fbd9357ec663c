"""The Postgres of the mesh: whether it keeps what it confirms, who reads along, and whether there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from a2a_node.cli.checks.finding import Finding, fail, ok
from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.model.errors import MeshError
from a2a_node.settings import is_loopback
from a2a_node.store import migrate
from a2a_node.store.driver import Dial, translated

ANSWERS = "postgres-answers"
PATIENCE = 5.0  # seconds
OLDEST = 14  # the oldest major version that its makers mend
PER_NODE = 25  # connections: 5 of the node, 15 of its engine, those that listen, and a spare
SPARE = 10  # connections that people, backups and monitoring need
MOST_SKEW = 1.0  # seconds
LONGEST = 3600.0  # seconds of a transaction
READ = """
    SELECT current_setting('server_version_num')::int / 10000 AS version,
           COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
           current_setting('fsync') AS fsync,
           current_setting('synchronous_commit') AS synchronous_commit,
           current_setting('full_page_writes') AS full_page_writes,
           current_setting('data_checksums') AS checksums,
           current_setting('autovacuum') AS autovacuum,
           current_setting('archive_mode') AS archive_mode,
           (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
           current_setting('max_connections')::int
               - current_setting('superuser_reserved_connections')::int AS connections,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
           (SELECT count(*) FROM pg_stat_replication) AS standbys,
           COALESCE((SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()), 0) AS oldest,
           clock_timestamp() AS now
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself; `skew` is how far its clock is from ours, in seconds."""

    version: int
    tls: bool
    fsync: str
    synchronous_commit: str
    full_page_writes: str
    checksums: str
    autovacuum: str
    archive_mode: str
    superuser: bool
    connections: int
    used: int
    standbys: int
    oldest: float  # seconds of the longest transaction
    skew: float
    nodes: int
    schema: str
    local: bool  # it is reached on this machine alone


@item
def postgres_tls(server: Server) -> Verdict:
    """Everything that the mesh knows passes here."""
    how = "by TLS" if server.tls else "on this machine, without TLS" if server.local else "without TLS"
    return needs(server.tls or server.local, f"connections are {how}", "add ?sslmode=verify-full to A2A_POSTGRES_URL")


@item
def postgres_version(server: Server) -> Verdict:
    """Old ones get no fixes."""
    return needs(server.version >= OLDEST, f"is version {server.version}", f"upgrade it to {OLDEST} or newer")


@item
def postgres_fsync(server: Server) -> Verdict:
    """A loss of power may destroy the whole database without it."""
    return needs(server.fsync == "on", f"fsync is {server.fsync}", "set fsync = on")


@item
def postgres_commits(server: Server) -> Verdict:
    """What was confirmed has to be on the disk."""
    message = f"synchronous_commit is {server.synchronous_commit}"
    return needs(server.synchronous_commit != "off", message, "set synchronous_commit = on")


@item
def postgres_pages(server: Server) -> Verdict:
    """A page that was half written is lost without it."""
    message = f"full_page_writes is {server.full_page_writes}"
    return needs(server.full_page_writes == "on", message, "set full_page_writes = on")


@item
def postgres_checksums(server: Server) -> Verdict:
    """A disk that changes bytes is noticed."""
    message = f"data_checksums is {server.checksums}"
    return wants(server.checksums == "on", message, "stop it, and run pg_checksums --enable")


@item
def postgres_role(server: Server) -> Verdict:
    """A node needs its own database and nothing else."""
    message = f"the node's role is {'a superuser' if server.superuser else 'no superuser'}"
    return needs(not server.superuser, message, "make a role that owns the mesh's database alone")


@item
def postgres_connections(server: Server) -> Verdict:
    """A node that gets none waits, and so do its calls."""
    needed = server.nodes * PER_NODE + SPARE
    message = f"{server.connections} connections for {server.nodes} nodes, which may need {needed}"
    return needs(server.connections >= needed, message, f"set max_connections to {needed + SPARE} or more")


@item
def postgres_room(server: Server) -> Verdict:
    """One more node has to find room now."""
    free = server.connections - server.used
    message = f"{free} of {server.connections} connections are free"
    return needs(free >= PER_NODE, message, "raise max_connections, or find out who holds them: pg_stat_activity")


@item
def postgres_vacuum(server: Server) -> Verdict:
    """Tables that change all the time grow without it."""
    return needs(server.autovacuum == "on", f"autovacuum is {server.autovacuum}", "set autovacuum = on")


@item
def postgres_transactions(server: Server) -> Verdict:
    """One that stays open keeps everything that was deleted since."""
    message = f"the longest transaction has been open for {server.oldest:.0f} s"
    return wants(server.oldest < LONGEST, message, "end it: pg_terminate_backend")


@item
def postgres_archive(server: Server) -> Verdict:
    """Without it a restore ends at the last dump."""
    message = f"archive_mode is {server.archive_mode}"
    return wants(server.archive_mode != "off", message, "archive the WAL, or have your provider do it")


@item
def postgres_standby(server: Server) -> Verdict:
    """Somebody has to take over; the role may see none unless it has pg_monitor."""
    return wants(server.standbys > 0, f"{server.standbys} standbys follow it", "set up streaming replication")


@item
def postgres_clock(server: Server) -> Verdict:
    """Leases, grants and freezes end by its clock."""
    message = f"its clock is {server.skew:.1f} s away from this machine's"
    return needs(server.skew <= MOST_SKEW, message, "let NTP set both clocks")


@item
def postgres_schema(server: Server) -> Verdict:
    """The newest node brings it up to date; a newer one than this software knows is refused."""
    message = f"its schema is {server.schema or 'empty'}, this software's is {migrate.HEAD}"
    return needs(server.schema == migrate.HEAD, message, "`a2a-node db upgrade`, or the same version everywhere")


CHECKS: Sequence[Item[Server]] = (
    postgres_tls,
    postgres_version,
    postgres_fsync,
    postgres_commits,
    postgres_pages,
    postgres_checksums,
    postgres_role,
    postgres_connections,
    postgres_room,
    postgres_vacuum,
    postgres_transactions,
    postgres_archive,
    postgres_standby,
    postgres_clock,
    postgres_schema,
)


async def in_postgres(url: str, nodes: int) -> Sequence[Finding]:
    """All findings about the server at the URL, which so many nodes share."""
    if not url:
        return _absent("no Postgres is named, and none runs here", "give A2A_POSTGRES_URL")
    try:
        server = await read(url, nodes)
    except MeshError as failure:
        return _absent(failure.message, "start it, or correct A2A_POSTGRES_URL")
    return [ok(ANSWERS, "answers"), *(check(server) for check in CHECKS)]


async def read(url: str, nodes: int) -> Server:
    """What the server says; StoreUnavailable, SettingInvalid."""
    async with translated():
        link = await Dial(url, PATIENCE)()
        try:
            before = datetime.now(UTC)
            row = dict(await link.fetchrow(READ, timeout=PATIENCE))
            after = datetime.now(UTC)
        finally:
            link.terminate()
    told = row.pop("now")
    skew = max(0.0, (before - told).total_seconds(), (told - after).total_seconds())
    schema = await migrate.current(url)
    return Server(**row, skew=skew, nodes=nodes, schema=schema, local=is_local(url))


def is_local(url: str) -> bool:
    """Whether the URL leads to this machine: to loopback, or to a socket in its file system."""
    host = urlsplit(url).hostname or ""
    return not host or host.startswith(("/", "%2f")) or is_loopback(host)


def _absent(why: str, advice: str) -> Sequence[Finding]:
    return [fail(ANSWERS, why, advice), *(check.unseen("Postgres could not be asked") for check in CHECKS)]
