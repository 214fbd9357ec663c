"""MCP servers in Postgres. Every node hears of what is wanted of them, and of how they stand; time is Postgres's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace

import orjson
from sqlalchemy import RowMapping

from a2a_node.model.errors import ServerExists, ServerNotFound
from a2a_node.model.servers import Server, ServerFilter, ServerStatus, Wish
from a2a_node.model.tool_ports import CopyChange, NewServer
from a2a_node.model.tools import ServerTool
from a2a_node.store import server_statements as sql
from a2a_node.store.locks import Lock
from a2a_node.store.numbered import Kind, Numbered
from a2a_node.store.postgres import Postgres
from a2a_node.store.sealed import Sealing
from a2a_node.store.server_rows import config_of, copy_of, hidden, server_of, shown, tool_of, written

KIND = Kind(Lock.SERVERS, counter="mcp_servers_revision", channel="a2a_servers")
LEASE = 15.0  # seconds


class PostgresServers:
    """The port `Servers` on Postgres; `sealing` hides the values of secrets, `lease` is that of nodes, in seconds."""

    def __init__(self, postgres: Postgres, sealing: Sealing | None = None, *, lease: float = LEASE) -> None:
        self._postgres, self._sealing, self._lease = postgres, sealing or Sealing(), lease
        self._numbered = Numbered(postgres, KIND)

    async def add(self, new: NewServer) -> Server:
        """Add one."""
        async with self._numbered.change() as change:
            if not await change.fetch(sql.ADD, self._row(new)):
                if not new.replace:
                    raise ServerExists(new.id)
                await change.fetch(sql.REPLACE, self._row(new))
            await self._numbered.note(change)
        return await self.get(new.id)

    async def remove(self, server_id: str) -> bool:
        """Forget one."""
        async with self._numbered.change() as change:
            removed = await change.fetch(sql.REMOVE, {"id": server_id})
            if removed:
                await self._numbered.note(change)
            return bool(removed)

    async def wish(self, server_id: str, wish: Wish, grace: float | None = None, *, restart: bool = False) -> Server:
        """Say what is wanted."""
        said = {"id": server_id, "wish": wish.value, "grace": grace, "restart": restart}
        async with self._numbered.change() as change:
            if not await change.fetch(sql.WISH, said):
                raise ServerNotFound(server_id)
            await change.fetch(sql.FREED, {"id": server_id})
            await self._numbered.note(change)
        return await self.get(server_id)

    async def get(self, server_id: str) -> Server:
        """One, with its copies."""
        async with self._postgres.reading() as look:
            found = await look.fetch(sql.ONE, {"id": server_id})
            if not found:
                raise ServerNotFound(server_id)
            copies = await look.fetch(sql.COPIES, {"id": server_id})
            return replace(_server(found[0]), copies=[copy_of(row) for row in copies])

    async def list(self, fits: ServerFilter, after: str, limit: int) -> Sequence[Server]:
        """Those that fit, by name, after a name, without copies."""
        wanted = {"status": fits.status or "", "type": fits.type or "", "node": fits.node_id}
        found = await self._postgres.fetch(sql.LIST, wanted | {"after": after, "limit": limit})
        return [_server(row) for row in found]

    async def all(self) -> tuple[int, Sequence[Server]]:
        """The revision, and all servers with the values of their secrets."""
        async with self._postgres.reading() as look:
            revision = await self._numbered.revision(look)
            rows = await look.fetch(sql.ALL)
        return revision, [self._whole(row) for row in rows]

    async def tools(self, server_id: str) -> Sequence[ServerTool]:
        """The tools of one as last seen."""
        found = await self._postgres.fetch(sql.TOOLS, {"id": server_id})
        return [tool_of(said) for row in found for said in row["tools"]]

    async def hold(self, node_id: str, server_ids: Sequence[str]) -> Sequence[str]:
        """Take or renew the leases of a node."""
        said = {"node": node_id, "ids": [*server_ids], "lease": self._lease}
        async with self._postgres.writing() as change:
            won = [row["id"] for row in await change.fetch(sql.HOLD, said)]
            await change.fetch(sql.FORGET, {"node": node_id, "won": won})
            await change.fetch(sql.KEEP, {"node": node_id, "lease": self._lease})
            return won

    async def release(self, node_id: str, server_ids: Sequence[str]) -> None:
        """Give leases back, and forget the node's copies of these servers."""
        async with self._numbered.change() as change:
            if await change.fetch(sql.RELEASE, {"node": node_id, "ids": [*server_ids]}):
                await self._numbered.note(change)

    async def change(self, node_id: str, change: CopyChange) -> None:
        """Keep how a copy stands; what only says that it is still healthy is told to nobody."""
        said = _said(change) | {"node": node_id, "lease": self._lease}
        quiet = change.checked and change.status is ServerStatus.RUNNING and change.tools is None
        async with self._postgres.writing() if quiet else self._numbered.change() as writes:
            if await writes.fetch(sql.TELL, said):
                await writes.fetch(sql.TELL_COPY, said)
                if not quiet:
                    await self._numbered.note(writes)

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return self._numbered.heard()

    def _row(self, new: NewServer) -> dict[str, object]:
        config, values = hidden(new.config)
        return {
            "id": new.id,
            "type": config.type.value,
            "status": (ServerStatus.STARTING if new.wish is Wish.RUN else ServerStatus.STOPPED).value,
            "config": orjson.dumps(written(config)).decode(),
            "secrets": self._sealing.sealed(values, new.id),
            "wish": new.wish.value,
        }

    def _whole(self, row: RowMapping) -> Server:
        server = _server(row)
        return replace(server, config=shown(server.config, self._sealing.opened(row["secrets"], server.id)))


def _server(row: RowMapping) -> Server:
    return server_of(row, config_of(row["config"]))


def _said(change: CopyChange) -> dict[str, object]:
    tools = None if change.tools is None else orjson.dumps([asdict(tool) for tool in change.tools]).decode()
    return {
        "id": change.server_id,
        "status": change.status.value,
        "health": change.health.value,
        "checked": change.checked,
        "started": change.started,
        "restarts": change.restarts,
        "retry_in": change.retry_in,
        "problem": change.problem,
        "tools": tools,
    }
