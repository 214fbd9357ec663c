"""ToolService: messages in, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from google.protobuf.duration_pb2 import Duration

from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid, ServerExists, ServerNotFound
from a2a_node.model.servers import HealthStatus, ServerStatus, Wish
from a2a_node.model.tool_ports import CopyChange
from a2a_node.model.tools import ServerTool
from a2a_node.services.tool import ToolService
from a2a_node.testing import MemoryServers
from a2amesh.v1 import tool_pb2
from a2amesh.v1 import tool_service_pb2 as pb
from tests.unit.pipeline.test_limits import ANN, nothing
from tests.unit.virtual import in_no_time

CALL = Call(method="/m", rest=nothing, principal=ANN)
STDIO = tool_pb2.McpServerConfig(
    stdio=tool_pb2.McpStdio(command="files", environment={"KEY": tool_pb2.McpValue(value="s3cr3t")})
)
HTTP = tool_pb2.McpServerConfig(http=tool_pb2.McpHttp(url="http://127.0.0.1:9/mcp"))
TOOLS = [
    ServerTool("read", "read", description="Reads a file.", input_schema={"type": "object"}, read_only=True),
    ServerTool("write", "Write", title="Writes a file"),
    ServerTool("broken", "broken", problem="its input schema is not of an object"),
]


class House:
    """The service, and the store behind it."""

    def __init__(self) -> None:
        self.store = MemoryServers()
        self.asked: list[tuple[str, str, int]] = []
        self.service = ToolService(self.store, self.lines)

    async def lines(self, server_id: str, node_id: str, many: int) -> Sequence[str]:
        """The log."""
        self.asked.append((server_id, node_id, many))
        return ["one", "two"]

    async def add(self, *names: str, config: tool_pb2.McpServerConfig = STDIO) -> None:
        """Add servers."""
        for name in names:
            await self.service.add_server(pb.AddServerRequest(server_id=name, config=config), CALL)

    async def runs(self, name: str) -> None:
        """Have a node run one, with those tools."""
        await self.store.hold("one", [name])
        running = CopyChange(name, ServerStatus.RUNNING, HealthStatus.HEALTHY, started=True, tools=TOOLS)
        await self.store.change("one", running)


async def test_a_server_is_added_shown_and_removed() -> None:
    """Its secret is never in an answer; a name is used once, unless it is to be replaced."""
    house = House()
    request = pb.AddServerRequest(server_id="files", config=STDIO, start=False)
    added = (await house.service.add_server(request, CALL)).server
    assert (added.server_id, added.status) == ("files", tool_pb2.MCP_SERVER_STATUS_STOPPED)
    assert added.config.stdio.environment["KEY"] == tool_pb2.McpValue(value="")
    with pytest.raises(ServerExists):
        await house.service.add_server(request, CALL)
    request.replace, request.start = True, True
    assert (await house.service.add_server(request, CALL)).server.status == tool_pb2.MCP_SERVER_STATUS_STARTING
    shown = await house.service.get_server(pb.GetServerRequest(server_id="files", log_lines=5000, node_id="two"), CALL)
    assert (shown.server.server_id, list(shown.log_lines)) == ("files", ["one", "two"])
    assert house.asked == [("files", "two", 1000)]
    assert "s3cr3t" not in str(shown)
    assert (await house.service.remove_server(pb.RemoveServerRequest(server_id="files"), CALL)).removed
    assert not (await house.service.remove_server(pb.RemoveServerRequest(server_id="files"), CALL)).removed


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.AddServerRequest(server_id="Not a name", config=STDIO), "server_id"),
        (pb.AddServerRequest(server_id="files"), "config"),
        (pb.AddServerRequest(server_id="files", config=tool_pb2.McpServerConfig()), "config.transport"),
        (
            pb.AddServerRequest(
                server_id="files",
                config=tool_pb2.McpServerConfig(
                    stdio=tool_pb2.McpStdio(command="x", environment={"KEY": tool_pb2.McpValue()})
                ),
            ),
            "config.stdio.environment.KEY",
        ),
        (
            pb.AddServerRequest(
                server_id="files",
                config=tool_pb2.McpServerConfig(
                    stdio=tool_pb2.McpStdio(command="x"), limits=tool_pb2.McpLimits(cpu_time=Duration(nanos=1))
                ),
            ),
            "config.limits.cpu_time",
        ),
    ],
    ids=["name", "none", "transport", "value", "cpu"],
)
async def test_a_wrong_server_names_the_field(request_: pb.AddServerRequest, field: str) -> None:
    """And nothing is added."""
    house = House()
    with pytest.raises(InvalidInput) as refused:
        await house.service.add_server(request_, CALL)
    assert refused.value.faults[0][0] == field
    assert (await house.store.all())[1] == []


async def test_other_wrong_requests_name_the_field() -> None:
    """Graces, lines and page tokens; a server that there is not."""
    house = House()
    await house.add("files")
    for wrong in (
        house.service.stop_server(pb.StopServerRequest(server_id="files", grace=Duration(seconds=61)), CALL),
        house.service.restart_server(pb.RestartServerRequest(server_id="files", grace=Duration(seconds=-1)), CALL),
        house.service.get_server(pb.GetServerRequest(server_id="files", log_lines=-1), CALL),
    ):
        with pytest.raises(InvalidInput, match=r"grace|log_lines"):
            await wrong
    with pytest.raises(PageTokenInvalid):
        await house.service.list_tools(pb.ListToolsRequest(page_token="x"), CALL)
    for missing in (
        house.service.start_server(pb.StartServerRequest(server_id="none"), CALL),
        house.service.list_tools(pb.ListToolsRequest(server_id="none"), CALL),
    ):
        with pytest.raises(ServerNotFound):
            await missing


async def test_servers_are_listed_page_by_page() -> None:
    """Those that fit the filters, by name; a token of other filters is refused."""
    house = House()
    await house.add("b", "d", "a")
    await house.add("c", config=HTTP)
    first = await house.service.list_servers(pb.ListServersRequest(page_size=3), CALL)
    assert [server.server_id for server in first.servers] == ["a", "b", "c"]
    rest = await house.service.list_servers(pb.ListServersRequest(page_size=3, page_token=first.next_page_token), CALL)
    assert ([server.server_id for server in rest.servers], rest.next_page_token) == (["d"], "")
    only = pb.ListServersRequest(type=tool_pb2.MCP_SERVER_TYPE_HTTP)
    assert [server.server_id for server in (await house.service.list_servers(only, CALL)).servers] == ["c"]
    only.page_token = first.next_page_token
    with pytest.raises(PageTokenInvalid):
        await house.service.list_servers(only, CALL)


async def test_tools_are_listed_over_all_servers() -> None:
    """By server and capability, however small the page; filtered by words and by whether they can be called."""
    house = House()
    await house.add("one", "two")
    for name in ("one", "two"):
        await house.runs(name)
    found, token = [], ""
    while True:
        page = await house.service.list_tools(pb.ListToolsRequest(page_size=2, page_token=token), CALL)
        found += [(tool.server_id, tool.capability) for tool in page.tools]
        token = page.next_page_token
        if not token:
            break
    assert found == [(server, name) for server in ("one", "two") for name in ("broken", "read", "write")]
    said = await house.service.list_tools(pb.ListToolsRequest(server_id="one", query="FILE", callable=True), CALL)
    assert [(tool.tool, tool.agent) for tool in said.tools] == [("read", "mcp.one"), ("Write", "mcp.one")]
    assert (said.tools[0].read_only, said.tools[0].HasField("destructive")) == (True, False)
    broken = await house.service.list_tools(pb.ListToolsRequest(callable=False), CALL)
    assert {tool.problem for tool in broken.tools} == {"its input schema is not of an object"}


def test_a_stop_waits_for_the_end() -> None:
    """Of every copy; a start of what runs changes nothing."""

    async def scenario() -> None:
        house = House()
        await house.add("files")
        await house.runs("files")
        before = await house.store.get("files")
        await house.service.start_server(pb.StartServerRequest(server_id="files"), CALL)
        assert (await house.store.get("files")).starts == before.starts
        request = pb.StopServerRequest(server_id="files", grace=Duration(seconds=1))
        stopping = asyncio.create_task(house.service.stop_server(request, CALL))
        await asyncio.sleep(5)
        assert not stopping.done()
        await house.store.release("one", ["files"])
        stopped = (await stopping).server
        assert (stopped.status, list(stopped.copies)) == (tool_pb2.MCP_SERVER_STATUS_STOPPED, [])
        await house.service.start_server(pb.StartServerRequest(server_id="files"), CALL)
        assert (await house.store.get("files")).wish is Wish.RUN
        generation = (await house.store.get("files")).generation
        await house.service.restart_server(pb.RestartServerRequest(server_id="files"), CALL)
        assert (await house.store.get("files")).generation == generation + 1

    in_no_time(scenario())


def test_a_stop_does_not_wait_for_ever() -> None:
    """A node that does not end its copy is not there any more; the server is told of as it stands."""

    async def scenario() -> None:
        house = House()
        await house.add("files")
        await house.runs("files")
        request = pb.StopServerRequest(server_id="files", grace=Duration(seconds=1))
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                assert (await house.service.stop_server(request, CALL)).server.copies
                return
        raise AssertionError("it waits")

    in_no_time(scenario())
