"""MCP servers in memory: what those in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from a2a_node.model.errors import ServerExists, ServerNotFound
from a2a_node.model.servers import HealthStatus, Server, ServerCopy, ServerFilter, ServerStatus, Wish
from a2a_node.model.tool_ports import CopyChange, NewServer
from a2a_node.model.tools import Placement, ServerConfig, ServerTool
from a2a_node.testing.losable import Losable, utc

STATUSES, HEALTHS = [*ServerStatus], [HealthStatus.HEALTHY, HealthStatus.UNKNOWN, HealthStatus.UNHEALTHY]
LEFT_ALONE = (ServerStatus.QUARANTINED,)
LEASE = 15.0  # seconds


class MemoryServers(Losable):
    """The port `Servers` on dictionaries."""

    def __init__(self, clock: Callable[[], datetime] = utc, *, lease: float = LEASE) -> None:
        super().__init__(clock)
        self._lease = timedelta(seconds=lease)
        self._servers: dict[str, Server] = {}
        self._held: dict[str, tuple[str, datetime]] = {}
        self._copies: dict[tuple[str, str], tuple[ServerCopy, datetime]] = {}
        self._tools: dict[str, Sequence[ServerTool]] = {}

    async def add(self, new: NewServer) -> Server:
        """Add one."""
        now, before = self._now(), self._servers.get(new.id)
        if before is not None and not new.replace:
            raise ServerExists(new.id)
        status = ServerStatus.STARTING if new.wish is Wish.RUN else ServerStatus.STOPPED
        if before is None:
            self._servers[new.id] = Server(new.id, new.config, new.wish, 1, 0, now, now, status)
        else:
            generation = before.generation + 1
            self._servers[new.id] = replace(
                before,
                config=new.config,
                wish=new.wish,
                generation=generation,
                status=status,
                problem="",
                updated_at=now,
            )
        self._tools[new.id] = ()
        self._commit()
        return await self.get(new.id)

    async def remove(self, server_id: str) -> bool:
        """Forget one."""
        self._now()
        there = self._servers.pop(server_id, None) is not None
        self._held.pop(server_id, None)
        self._copies = {key: copy for key, copy in self._copies.items() if key[0] != server_id}
        if there:
            self._commit()
        return there

    async def wish(self, server_id: str, wish: Wish, grace: float | None = None, *, restart: bool = False) -> Server:
        """Say what is wanted."""
        now, one = self._now(), self._found(server_id)
        woken = one.wish is Wish.STOP or one.status is ServerStatus.QUARANTINED
        stopping = wish is Wish.STOP
        self._servers[server_id] = replace(
            one,
            wish=wish,
            generation=one.generation + restart,
            starts=one.starts + (not stopping),
            grace=one.grace if grace is None else grace,
            status=ServerStatus.STOPPED if stopping else ServerStatus.STARTING if woken else one.status,
            problem="" if stopping or one.status is ServerStatus.QUARANTINED else one.problem,
            updated_at=now,
        )
        self._copies = {
            key: kept for key, kept in self._copies.items() if key[0] != server_id or kept[0].status not in LEFT_ALONE
        }
        self._commit()
        return await self.get(server_id)

    async def get(self, server_id: str) -> Server:
        """One, with its copies."""
        self._now()
        one = self._standing(self._found(server_id))
        return replace(one, config=_hidden(one.config), copies=self._living(server_id))

    async def list(self, fits: ServerFilter, after: str, limit: int) -> Sequence[Server]:
        """Those that fit, by name, after a name, without copies."""
        _, servers = await self.all()
        return [
            replace(one, config=_hidden(one.config))
            for one in servers
            if one.id > after
            and fits.status in (None, one.status)
            and fits.type in (None, one.config.type)
            and (not fits.node_id or fits.node_id in [copy.node_id for copy in self._living(one.id)])
        ][:limit]

    async def all(self) -> tuple[int, Sequence[Server]]:
        """The revision, and all servers with the values of their secrets."""
        self._now()
        return self._revision, [self._standing(self._servers[name]) for name in sorted(self._servers)]

    async def tools(self, server_id: str) -> Sequence[ServerTool]:
        """The tools of one as last seen."""
        self._now()
        return [*self._tools.get(server_id, ())] if server_id in self._servers else []

    async def hold(self, node_id: str, server_ids: Sequence[str]) -> Sequence[str]:
        """Take or renew the leases of a node."""
        until = self._now() + self._lease
        won = [name for name in server_ids if self._is_free(name, node_id)]
        self._held |= dict.fromkeys(won, (node_id, until))
        self._copies = {
            key: (copy, until if key[1] == node_id else ends)
            for key, (copy, ends) in self._copies.items()
            if key[1] == node_id or key[0] not in won
        }
        return won

    async def release(self, node_id: str, server_ids: Sequence[str]) -> None:
        """Give leases back, and forget the node's copies of these servers."""
        self._now()
        for name in server_ids:
            self._copies.pop((name, node_id), None)
            if self._held.get(name, ("", None))[0] == node_id:
                del self._held[name]
        self._commit()

    async def change(self, node_id: str, change: CopyChange) -> None:
        """Keep how a copy stands."""
        now, one = self._now(), self._servers.get(change.server_id)
        if one is None or (_is_one(one) and self._held.get(one.id, ("", now))[0] != node_id):
            return
        self._servers[one.id] = replace(
            one,
            status=ServerStatus.STOPPED if one.wish is Wish.STOP else change.status,
            health=change.health,
            restarts=one.restarts + change.restarts,
            problem=change.problem,
            last_restart=now if change.restarts else one.last_restart,
            last_health_check=now if change.checked else one.last_health_check,
            updated_at=now if one.status is not change.status else one.updated_at,
        )
        if change.tools is not None:
            self._tools[one.id] = change.tools
        self._tell_copy(node_id, change, now)
        if not (change.checked and change.status is ServerStatus.RUNNING and change.tools is None):
            self._commit()

    def _tell_copy(self, node_id: str, change: CopyChange, now: datetime) -> None:
        key = (change.server_id, node_id)
        before = self._copies.get(key, (ServerCopy(node_id, change.status), now))[0]
        goes_on = change.status in (ServerStatus.RUNNING, ServerStatus.UNHEALTHY)
        copy = ServerCopy(
            node_id,
            change.status,
            change.health,
            before.restarts + change.restarts,
            now if change.started else before.started_at if goes_on else None,
            None if change.retry_in is None else now + timedelta(seconds=change.retry_in),
            change.problem,
        )
        self._copies[key] = (copy, now + self._lease)

    def _standing(self, one: Server) -> Server:
        """The server as its copies make it."""
        copies, now = self._living(one.id), self._clock()
        holder, until = self._held.get(one.id, ("", now))
        told = replace(one, holder=holder if until > now else "", tool_count=len(self._tools.get(one.id, ())))
        if copies:
            worst = max(copies, key=lambda copy: STATUSES.index(copy.status))
            health = max((copy.health for copy in copies), key=HEALTHS.index)
            return replace(told, status=worst.status, health=health, problem=worst.problem)
        if one.wish is Wish.STOP:
            return replace(told, status=ServerStatus.STOPPED, problem="")
        kept = one.status is ServerStatus.QUARANTINED
        return told if kept else replace(told, status=ServerStatus.STARTING)

    def _living(self, server_id: str) -> Sequence[ServerCopy]:
        now = self._clock()
        found = [copy for (name, _), (copy, ends) in self._copies.items() if name == server_id and ends > now]
        return sorted(found, key=lambda copy: copy.node_id)

    def _is_free(self, server_id: str, node_id: str) -> bool:
        one, now = self._servers.get(server_id), self._clock()
        holder, until = self._held.get(server_id, ("", now))
        return one is not None and _is_one(one) and (holder in ("", node_id) or until <= now)

    def _found(self, server_id: str) -> Server:
        if server_id not in self._servers:
            raise ServerNotFound(server_id)
        return self._servers[server_id]


def _is_one(server: Server) -> bool:
    return server.config.placement is Placement.ONE_NODE


def _hidden(config: ServerConfig) -> ServerConfig:
    values: Mapping[str, object] = config.values
    return config.with_values({name: replace(config.values[name], value="") for name in values})
