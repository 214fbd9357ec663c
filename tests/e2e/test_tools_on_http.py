"""An MCP server that speaks HTTP, kept by a node: it is watched, called, lost, and found again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from a2a_node.model.servers import HealthStatus, Server, ServerStatus
from a2a_node.model.tools import HealthCheck, Http, RestartRules, ServerConfig, ServerType
from tests.e2e.nodes import RunningNode
from tests.e2e.test_mcp_peers import over_http
from tests.e2e.test_tools_called import running, until

OFTEN = HealthCheck(interval=1.0, timeout=1.0, failures=2)
SOON = RestartRules(0.1, 0.5, max_restarts=1000)


async def stands(mesh: MeshClient, status: ServerStatus) -> Server:
    """Wait until the server stands so."""
    found = list[Server]()

    async def there() -> bool:
        server = await mesh.tools.get("everything")
        found.append(server)
        return server.status is status

    await until(there)
    return found[-1]


async def test_a_server_on_http_is_kept(node: RunningNode, mcp_servers: Path) -> None:
    """Tools, resources and prompts are called through the mesh; when it is there again, it is called again."""
    program = mcp_servers / "mcp-server-everything"
    async with MeshClient(node.address, node.key) as mesh:
        async with over_http(program) as (url, process):
            agent = await running(mesh, "everything", ServerConfig(Http(url), health=OFTEN, restart=SOON))
            assert await mesh.call(agent, "echo", {"message": "hello"}) == "Echo: hello"
            steps = {"duration": 0.2, "steps": 2}
            events = [event async for event in mesh.stream(agent, "trigger-long-running-operation", steps)]
            assert events[:-1] == [{"progress": step, "total": 2} for step in (1, 2)]
            listed = cast("dict[str, list[dict[str, object]]]", await mesh.call(agent, "list-resources", {}))
            uri = listed["resources"][0]["uri"]
            read = cast("dict[str, list[dict[str, object]]]", await mesh.call(agent, "read-resource", {"uri": uri}))
            assert read["contents"][0]["uri"] == uri
            prompt = {"name": "args-prompt", "arguments": {"city": "Oslo"}}
            assert "Oslo" in str(await mesh.call(agent, "get-prompt", prompt))
            found = await mesh.tools.get("everything")
            assert (found.config.type, found.health) == (ServerType.HTTP, HealthStatus.HEALTHY)

            async def checked() -> bool:
                return (await mesh.tools.get("everything")).last_health_check is not None

            await until(checked)
            process.kill()
            lost = await stands(mesh, ServerStatus.FAILED)
            assert lost.problem
        async with over_http(program, urlsplit(url).port or 0):
            again = await stands(mesh, ServerStatus.RUNNING)
            assert again.restarts >= 1

            async def answers() -> bool:
                with suppress(MeshError):
                    return await mesh.call(agent, "echo", {"message": "again"}) == "Echo: again"
                return False

            await until(answers)
            await mesh.tools.remove("everything")
