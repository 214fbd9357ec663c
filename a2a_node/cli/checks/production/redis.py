"""The Redis or Valkey of the mesh: whether it keeps what was answered, and who may speak to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from redis.asyncio.client import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from a2a_node.cli.checks.finding import Finding, fail, ok
from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.settings import is_loopback

ANSWERS = "redis-answers"
PATIENCE = 5.0  # seconds
OLDEST = 7
MOST_USED = 0.8  # of what it may use
CONNECTIONS = 80  # of one node: its pool of 64, and those that listen
ASKED = ("appendonly", "appendfsync", "maxmemory-policy", "protected-mode", "bind")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server says of itself; its configuration is empty where it may not be read, as with some providers."""

    tls: bool
    local: bool
    password: bool  # a client without one is refused
    info: Mapping[str, object]
    config: Mapping[str, str]

    def says(self, name: str) -> str:
        """A value of its configuration."""
        return self.config.get(name, "")

    def number(self, name: str) -> float:
        """A figure of INFO; 0 where it does not tell."""
        value = self.info.get(name, 0)
        return float(value) if isinstance(value, int | float) else 0.0


@item
def redis_tls(facts: Facts) -> Verdict:
    """Sessions, cached values and outcomes of calls pass here."""
    how = "by TLS" if facts.tls else "on this machine, without TLS" if facts.local else "without TLS"
    return needs(facts.tls or facts.local, f"connections are {how}", "name it with rediss:// in A2A_REDIS_URL")


@item
def redis_version(facts: Facts) -> Verdict:
    """Valkey counts on from Redis 7.2, and says so in its own field."""
    kind = "valkey" if "valkey_version" in facts.info else "redis"
    version = str(facts.info.get(f"{kind}_version", "0"))
    met = kind == "valkey" or int(version.partition(".")[0]) >= OLDEST
    return needs(met, f"is {kind.capitalize()} {version}", f"upgrade it to Redis {OLDEST} or newer, or to Valkey")


@item
def redis_password(facts: Facts) -> Verdict:
    """Whoever speaks to it can change limits and outcomes."""
    message = f"strangers are {'refused' if facts.password else 'let in'}"
    return needs(facts.password, message, "set requirepass or ACL users, and put the password into A2A_REDIS_URL")


@item
def redis_bind(facts: Facts) -> Verdict:
    """Its own guard against being open to everybody."""
    closed = facts.says("protected-mode") != "no" or facts.password
    message = f"protected-mode is {facts.says('protected-mode')}, bound to {facts.says('bind') or 'all addresses'}"
    return needs(closed, message, "set protected-mode yes, or a password, and bind it to what nodes reach")


@item
def redis_appendonly(facts: Facts) -> Verdict:
    """Outcomes that were told are told again after a crash."""
    message = f"appendonly is {facts.says('appendonly')}"
    return needs(facts.says("appendonly") == "yes", message, "set appendonly yes")


@item
def redis_appendfsync(facts: Facts) -> Verdict:
    """With everysec a write is held back for up to 2 s while a sync is under way, and answered all the same."""
    message = f"appendfsync is {facts.says('appendfsync')}"
    return needs(facts.says("appendfsync") in ("no", "always"), message, "set appendfsync always, or no: docs/chaos.md")


@item
def redis_eviction(facts: Facts) -> Verdict:
    """Whatever is thrown out was a promise."""
    message = f"maxmemory-policy is {facts.says('maxmemory-policy')}"
    return needs(facts.says("maxmemory-policy") == "noeviction", message, "set maxmemory-policy noeviction")


@item
def redis_memory(facts: Facts) -> Verdict:
    """Writes are refused when it is full, and its machine kills it where it has no bound."""
    used, most = facts.number("used_memory"), facts.number("maxmemory")
    bound = f"of {most / (1 << 20):.0f} MiB" if most else "without a bound"
    met = bool(most) and used < MOST_USED * most
    return wants(met, f"uses {used / (1 << 20):.0f} MiB {bound}", "set maxmemory to what its machine can spare")


@item
def redis_clients(facts: Facts) -> Verdict:
    """One more node has to find room now."""
    most, now = facts.number("maxclients"), facts.number("connected_clients")
    message = f"{now:.0f} of {most:.0f} connections are taken"
    return needs(not most or most - now >= CONNECTIONS, message, "raise maxclients")


@item
def redis_role(facts: Facts) -> Verdict:
    """Nodes write."""
    role = facts.info.get("role", "unknown")
    return needs(role == "master", f"its role is {role}", "name the primary in A2A_REDIS_URL, not a replica")


@item
def redis_disk(facts: Facts) -> Verdict:
    """Its last writes to the disk have to have gone well."""
    bad = [name for name in ("aof_last_write_status", "aof_last_bgrewrite_status") if facts.info.get(name) == "err"]
    return needs(not bad, f"{', '.join(bad)}: err" if bad else "its files are written", "see its log, and its disk")


@item
def redis_replica(facts: Facts) -> Verdict:
    """Somebody has to take over; what it has not heard by then is forgotten."""
    return wants(
        facts.number("connected_slaves") > 0, f"{facts.number('connected_slaves'):.0f} replicas follow it", "add one"
    )


OF_INFO: Sequence[Item[Facts]] = (
    redis_tls,
    redis_version,
    redis_password,
    redis_memory,
    redis_clients,
    redis_role,
    redis_disk,
    redis_replica,
)
OF_CONFIG: Sequence[Item[Facts]] = (redis_bind, redis_appendonly, redis_appendfsync, redis_eviction)
CHECKS = (*OF_INFO, *OF_CONFIG)


async def in_redis(url: str) -> Sequence[Finding]:
    """All findings about the server at the URL."""
    if not url:
        return _absent("no Redis is named, and none runs here", "give A2A_REDIS_URL")
    try:
        facts = await read(url)
    except (RedisError, OSError, ValueError) as failure:  # their words may quote the URL
        return _absent(f"does not answer: {type(failure).__name__}", "start it, or correct A2A_REDIS_URL")
    return [
        ok(ANSWERS, "answers"),
        *(check(facts) for check in OF_INFO),
        *(check(facts) if facts.config else check.unseen("it does not show its configuration") for check in OF_CONFIG),
    ]


async def read(url: str) -> Facts:
    """What the server says; any RedisError, OSError, and ValueError for a URL that is none."""
    client = _client(url)
    try:
        info = await client.info()
        config = await _configuration(client)
    finally:
        await client.aclose()
    parts = urlsplit(url)
    return Facts(
        parts.scheme == "rediss", is_loopback(parts.hostname or "localhost"), await _guarded(url), info, config
    )


async def _configuration(client: Redis) -> Mapping[str, str]:
    try:
        found = await client.config_get(*ASKED)
    except ResponseError:  # a provider forbids it
        return {}
    return {str(name): str(value) for name, value in found.items()}


async def _guarded(url: str) -> bool:
    """Whether somebody without a password is refused."""
    parts = urlsplit(url)
    stranger = _client(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    try:
        await stranger.ping()
    except RedisError:
        return True
    finally:
        await stranger.aclose()
    return False


def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _absent(why: str, advice: str) -> Sequence[Finding]:
    return [fail(ANSWERS, why, advice), *(check.unseen("Redis does not answer") for check in CHECKS)]
