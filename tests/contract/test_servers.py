"""What every store of MCP servers promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from a2a_node.model.errors import ServerExists, ServerNotFound, SettingInvalid, StoreUnavailable
from a2a_node.model.servers import HealthStatus, ServerFilter, ServerStatus, Wish
from a2a_node.model.tool_ports import CopyChange, NewServer, Servers
from a2a_node.model.tools import Http, Placement, ServerConfig, ServerTool, ServerType, ServerValue, Stdio
from a2a_node.store.postgres import connected
from a2a_node.store.sealed import Sealing
from a2a_node.store.servers import PostgresServers
from a2a_node.testing import Clock, MemoryServers
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

AGED = text("UPDATE mcp_servers SET held_until = held_until - make_interval(secs => :seconds)")
AGED_COPIES = text("UPDATE mcp_server_copies SET lives_until = lives_until - make_interval(secs => :seconds)")
FILES = ServerConfig(Stdio("files", ("--all",), {"KEY": ServerValue("s3cr3t"), "NAMED": ServerValue("", "token")}))
WEB = ServerConfig(Http("http://127.0.0.1:9/mcp", {"authorization": ServerValue("s3cr3t")}), Placement.EVERY_NODE)
RUNNING = CopyChange("files", ServerStatus.RUNNING, HealthStatus.HEALTHY, started=True)


class House:
    """Servers, and what a test can do to their surroundings."""

    def __init__(
        self, servers: Servers, elapse: Callable[[float], Awaitable[object]], lose: Callable[[], object]
    ) -> None:
        self.servers, self.elapse, self.lose = servers, elapse, lose

    async def status(self, server_id: str = "files") -> ServerStatus:
        """How it stands."""
        return (await self.servers.get(server_id)).status


@asynccontextmanager
async def housed(url: str | None) -> AsyncIterator[House]:
    """A house on a migrated database, or in memory when there is no URL."""
    if url is None:
        clock = Clock()
        twin = MemoryServers(clock)

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        yield House(twin, advance, twin.lose)
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:

        async def age(seconds: float) -> None:
            for statement in (AGED, AGED_COPIES):
                await postgres.fetch(statement, {"seconds": seconds})

        yield House(PostgresServers(postgres, Sealing("pass")), age, line.cut)


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """The server files was added."""
    async with housed(registry_url) as opened, asyncio.timeout(60):
        await opened.servers.add(NewServer("files", FILES))
        yield opened


async def test_a_server_is_shown_without_its_secrets(house: House) -> None:
    """Only those who run it read them."""
    shown = await house.servers.get("files")
    assert (shown.id, shown.agent, shown.wish, shown.status) == ("files", "mcp.files", Wish.RUN, ServerStatus.STARTING)
    assert shown.config.values == {"KEY": ServerValue(), "NAMED": ServerValue("", "token")}
    listed = await house.servers.list(ServerFilter(), "", 10)
    assert [one.config for one in listed] == [shown.config]
    _, whole = await house.servers.all()
    assert [one.config for one in whole] == [FILES]


async def test_a_name_is_used_once(house: House) -> None:
    """Unless the server is replaced, which makes a new generation of it."""
    with pytest.raises(ServerExists):
        await house.servers.add(NewServer("files", WEB))
    before = await house.servers.get("files")
    replaced = await house.servers.add(NewServer("files", WEB, Wish.STOP, replace=True))
    assert (replaced.config.type, replaced.wish) == (ServerType.HTTP, Wish.STOP)
    assert replaced.generation > before.generation
    assert replaced.created_at == before.created_at


async def test_what_is_removed_is_gone(house: House) -> None:
    """Removing it again changes nothing."""
    assert await house.servers.remove("files")
    assert not await house.servers.remove("files")
    with pytest.raises(ServerNotFound):
        await house.servers.get("files")
    with pytest.raises(ServerNotFound):
        await house.servers.wish("files", Wish.RUN)
    await house.servers.change("n1", RUNNING)
    assert await house.servers.tools("files") == []


async def test_one_node_has_a_server_at_a_time(house: House) -> None:
    """It keeps it as long as it says so; then, or when it gives it back, another one may have it."""
    assert await house.servers.hold("n1", ["files"]) == ["files"]
    assert await house.servers.hold("n2", ["files"]) == []
    await house.elapse(10)
    assert await house.servers.hold("n1", ["files"]) == ["files"]
    await house.elapse(10)
    assert await house.servers.hold("n2", ["files"]) == []
    await house.elapse(10)
    assert (await house.servers.get("files")).holder == ""
    assert await house.servers.hold("n2", ["files"]) == ["files"]
    assert await house.servers.hold("n1", ["files"]) == []
    await house.servers.release("n1", ["files"])
    assert (await house.servers.get("files")).holder == "n2"
    await house.servers.release("n2", ["files"])
    assert await house.servers.hold("n1", ["files"]) == ["files"]


async def test_of_many_who_ask_one_gets_it(house: House) -> None:
    """However they come together."""
    won = await asyncio.gather(*(house.servers.hold(f"n{number}", ["files"]) for number in range(8)))
    assert sorted(map(list, won)) == [*[[]] * 7, ["files"]]


async def test_only_its_node_says_how_it_stands(house: House) -> None:
    """What another one says late changes nothing."""
    await house.servers.hold("n1", ["files"])
    await house.servers.change("n1", RUNNING)
    assert await house.status() is ServerStatus.RUNNING
    await house.elapse(20)
    assert await house.status() is ServerStatus.STARTING
    await house.servers.hold("n2", ["files"])
    await house.servers.change("n1", CopyChange("files", ServerStatus.FAILED, problem="late"))
    await house.servers.change("n2", RUNNING)
    one = await house.servers.get("files")
    assert (one.status, [copy.node_id for copy in one.copies]) == (ServerStatus.RUNNING, ["n2"])


async def test_restarts_are_counted(house: House) -> None:
    """By server and by copy, with the moments."""
    await house.servers.hold("n1", ["files"])
    await house.servers.change("n1", RUNNING)
    first = (await house.servers.get("files")).copies[0].started_at
    await house.servers.change("n1", CopyChange("files", ServerStatus.FAILED, problem="it ended", retry_in=5.0))
    failed = await house.servers.get("files")
    assert (failed.status, failed.problem, failed.last_restart) == (ServerStatus.FAILED, "it ended", None)
    assert failed.copies[0].retry_at is not None
    await house.servers.change(
        "n1", CopyChange("files", ServerStatus.RUNNING, HealthStatus.HEALTHY, restarts=2, started=True, checked=True)
    )
    one = await house.servers.get("files")
    assert (one.restarts, one.copies[0].restarts, one.problem) == (2, 2, "")
    assert one.last_restart is not None
    assert one.last_health_check is not None
    assert first is not None
    assert one.copies[0].started_at is not None
    assert one.copies[0].started_at >= first
    assert one.copies[0].retry_at is None


async def test_the_worst_copy_is_how_a_server_stands(house: House) -> None:
    """Of those on nodes that live."""
    await house.servers.add(NewServer("web", WEB))
    assert await house.servers.hold("n1", ["web"]) == []
    await house.servers.change("n1", CopyChange("web", ServerStatus.RUNNING, HealthStatus.HEALTHY))
    await house.servers.change("n2", CopyChange("web", ServerStatus.UNHEALTHY, HealthStatus.UNHEALTHY, problem="slow"))
    one = await house.servers.get("web")
    assert (one.status, one.health, one.problem) == (ServerStatus.UNHEALTHY, HealthStatus.UNHEALTHY, "slow")
    assert [copy.node_id for copy in one.copies] == ["n1", "n2"]
    await house.elapse(10)
    await house.servers.hold("n1", [])
    await house.elapse(10)
    assert await house.status("web") is ServerStatus.RUNNING


async def test_a_wish_outlives_those_who_heed_it(house: House) -> None:
    """Quarantine holds on every node, until somebody starts the server."""
    await house.servers.hold("n1", ["files"])
    await house.servers.change("n1", CopyChange("files", ServerStatus.QUARANTINED, problem="too often"))
    assert (await house.servers.wish("files", Wish.RUN)).status is ServerStatus.STARTING
    await house.servers.change("n1", CopyChange("files", ServerStatus.QUARANTINED, problem="too often"))
    await house.servers.release("n1", ["files"])
    quarantined = await house.servers.get("files")
    assert (quarantined.status, quarantined.problem) == (ServerStatus.QUARANTINED, "too often")
    started = await house.servers.wish("files", Wish.RUN)
    assert (started.status, started.problem) == (ServerStatus.STARTING, "")
    assert (started.starts, started.generation) == (quarantined.starts + 1, quarantined.generation)
    stopped = await house.servers.wish("files", Wish.STOP, 7.5)
    assert (stopped.status, stopped.wish, stopped.grace) == (ServerStatus.STOPPED, Wish.STOP, 7.5)
    again = await house.servers.wish("files", Wish.RUN, restart=True)
    assert (again.status, again.generation) == (ServerStatus.STARTING, stopped.generation + 1)


async def test_servers_are_listed_by_name(house: House) -> None:
    """By status, type and node, page by page."""
    await house.servers.add(NewServer("web", WEB))
    await house.servers.add(NewServer("also", FILES, Wish.STOP))
    await house.servers.change("n1", CopyChange("web", ServerStatus.RUNNING))

    async def names(fits: ServerFilter, after: str = "", limit: int = 10) -> list[str]:
        return [one.id for one in await house.servers.list(fits, after, limit)]

    assert await names(ServerFilter()) == ["also", "files", "web"]
    assert await names(ServerFilter(), "also", 1) == ["files"]
    assert await names(ServerFilter(status=ServerStatus.STOPPED)) == ["also"]
    assert await names(ServerFilter(type=ServerType.HTTP)) == ["web"]
    assert await names(ServerFilter(node_id="n1")) == ["web"]


async def test_tools_are_kept_as_last_seen(house: House) -> None:
    """Whatever becomes of their server."""
    tool = ServerTool("read", "Read", "Read it", "Reads", {"type": "object"}, None, read_only=True, problem="bad")
    await house.servers.hold("n1", ["files"])
    await house.servers.change("n1", CopyChange("files", ServerStatus.RUNNING, tools=[tool]))
    await house.servers.change("n1", CopyChange("files", ServerStatus.FAILED))
    assert await house.servers.tools("files") == [tool]
    assert (await house.servers.get("files")).tool_count == 1


async def test_changes_are_heard_of(house: House) -> None:
    """But not that a server is still healthy."""
    await house.servers.hold("n1", ["files"])
    before, _ = await house.servers.all()
    async with house.servers.revisions() as revisions:
        await house.servers.change("n1", RUNNING)
        first = await anext(revisions)
        assert first > before
        await house.servers.change("n1", CopyChange("files", ServerStatus.RUNNING, checked=True))
        assert (await house.servers.all())[0] == first
        await house.servers.wish("files", Wish.STOP)
        assert await anext(revisions) == first + 1


async def test_without_the_store_everything_fails_fast(house: House) -> None:
    """Nothing is half done."""
    house.lose()
    for attempt in (house.servers.all(), house.servers.hold("n1", []), house.servers.wish("files", Wish.STOP)):
        with pytest.raises(StoreUnavailable):
            await attempt


async def test_secrets_are_encrypted_where_the_mesh_has_a_passphrase() -> None:
    """Another passphrase, or another server's name, opens nothing."""
    sealed = Sealing("pass").sealed({"KEY": "s3cr3t"}, "files")
    assert "s3cr3t" not in sealed
    assert Sealing("pass").opened(sealed, "files") == {"KEY": "s3cr3t"}
    for other, about in (("other", "files"), ("", "files"), ("pass", "web")):
        with pytest.raises(SettingInvalid):
            Sealing(other).opened(sealed, about)
    assert Sealing().opened(Sealing().sealed({"KEY": "s3cr3t"}, "files"), "files") == {"KEY": "s3cr3t"}
    assert Sealing().opened(Sealing().sealed({}, "files"), "files") == {}
