"""Assistants at two nodes in turns, a request each: whichever it reaches serves it, workflows included."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest
from mcp import ClientSession

from a2a_node.client import MeshClient
from tests.e2e.assistants import assistant
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.test_tools_called import until
from tests.e2e.tools import run, typescript_assistant
from tests.integration.mcp_clients import reason

ANN = "person:ann"
Json = Mapping[str, object]
GREETING = """\
name: greeting
description: Says hello, and waits where it is asked to.
inputs:
  who: {type: string}
  wait: {type: boolean, default: false}
steps:
  hello: {agent: echo, capability: say, input: {text: "hello ${{ inputs.who }}"}}
  gate:
    needs: hello
    if: inputs.wait
    approval: {permission: "workflow:greeting:approve", question: Say goodbye?}
output: {text: "${{ steps.hello.output.text }}"}
"""


@pytest.fixture
def nodes(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[list[RunningNode]]:
    """Two nodes of one mesh."""
    shared = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url}
    with (
        mesh_node(tmp_path / "one", shared, "--node-id", "one") as one,
        mesh_node(tmp_path / "two", shared, "--node-id", "two") as two,
    ):
        yield [one, two]


@pytest.fixture
async def mesh(nodes: list[RunningNode]) -> AsyncIterator[MeshClient]:
    """Somebody who may do anything."""
    async with MeshClient(nodes[0].address, nodes[0].key) as mesh:
        yield mesh


async def key_for(mesh: MeshClient, nodes: list[RunningNode], *permissions: str) -> str:
    """A key of ann's, once every node knows it and what she may."""
    key = (await mesh.keys.create(principal=ANN)).secret
    for permission in permissions:
        await mesh.grants.give(ANN, permission)
    for node in nodes:
        async with MeshClient(node.address, key) as ann:

            async def known(ann: MeshClient = ann) -> bool:
                checks = [await ann.grants.check(permission.replace("*", "echo")) for permission in permissions]
                return all(check.allowed for check in checks)

            await until(known)
    return key


async def test_the_typescript_client_is_served_by_any_node(nodes: list[RunningNode], mesh: MeshClient) -> None:
    """All that an assistant does; a call that it gives up ends, whichever node hears of it."""
    key = await key_for(mesh, nodes, "agent:*:invoke", "registry:read")
    doors = [f"http://{node.http}/mcp" for node in nodes]
    seen = json.loads(await asyncio.to_thread(run, "node", str(typescript_assistant()), key, *doors))
    assert set(seen["tools"]) == {"echo__say", "echo__count", "echo__fail", "mesh_list_agents"}
    assert seen["said"] == [{"text": str(number)} for number in range(4)]
    assert seen["progress"] == [1, 2, 3]
    assert seen["counted"] == {"outputs": [{"number": number} for number in (1, 2, 3)]}
    assert (seen["failed"], seen["unknown"], seen["cancelled"]) == ("AGENT_REFUSED", -32602, True)
    assert all([await asked_of(node) > seen["asked"] / 3 for node in nodes]), seen["asked"]


async def asked_of(node: RunningNode) -> float:
    """How many requests a node has served at its door for MCP."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{node.http}/metrics", timeout=60) as response:
            body: bytes = response.read()
            return body.decode()

    served = re.findall(
        r'^a2a_rpcs_total\{.*"/a2amesh.Mcp/Ask".*\} (\S+)$', await asyncio.to_thread(read), re.MULTILINE
    )
    return sum(map(float, served))


async def told(ann: ClientSession, tool: str, **arguments: object) -> Json:
    """What a tool of the mesh itself answers."""
    result = await ann.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return cast("Json", result.structured_content)


async def becomes(ann: ClientSession, started: Json, fits: Callable[[Json], bool]) -> Json:
    """A run once it fits, as either node tells it."""
    found: Json = {}

    async def there() -> bool:
        nonlocal found
        result = await ann.call_tool("mesh_get_run", {"run_id": started["run_id"]})
        if result.is_error:
            assert reason(result) == "STORE_UNAVAILABLE"  # whoever reads may ask again, on a machine that is too busy
            return False
        found = cast("Json", cast("Json", result.structured_content)["run"])
        return fits(found)

    await until(there)
    return found


async def test_workflows_are_run_and_looked_at_over_mcp(nodes: list[RunningNode], mesh: MeshClient) -> None:
    """By whoever may: from the list of agents and templates to the outputs of a run, and the end of another one."""
    await mesh.workflows.put(GREETING)
    looks = await key_for(mesh, nodes, "workflow:read", "registry:read")
    async with assistant(looks, *nodes) as ann:
        assert reason(await ann.call_tool("mesh_run_workflow", {"template": "greeting"})) == "PERMISSION_DENIED"
    key = await key_for(mesh, nodes, "workflow:start", "workflow:control", "agent:echo:invoke")
    async with assistant(key, *nodes) as ann:
        agents = cast("list[Json]", (await told(ann, "mesh_list_agents"))["agents"])
        assert [(agent["name"], len(cast("list[Json]", agent["instances"]))) for agent in agents] == [("echo", 2)]
        listed = cast("list[Json]", (await told(ann, "mesh_list_templates"))["templates"])
        assert [template["name"] for template in listed] == ["greeting"]
        template = cast("Json", (await told(ann, "mesh_get_template", name="greeting"))["template"])
        assert [step["step_id"] for step in cast("list[Json]", template["steps"])] == ["hello", "gate"]
        ended = await becomes(ann, await begun(ann, who="ann"), ended_well)
        assert (ended["created_by"], ended["output"]) == (ANN, {"text": "hello ann"})
        waiting = await begun(ann, who="bob", wait=True)
        await becomes(ann, waiting, lambda run: run["status"] == "WORKFLOW_STATUS_WAITING")
        await told(ann, "mesh_cancel_run", run_id=waiting["run_id"], reason="enough")
        await becomes(ann, waiting, lambda run: run["status"] == "WORKFLOW_STATUS_CANCELLED")
    wrong = {"template": "greeting", "inputs": {}}
    async with assistant(key, *nodes) as ann:
        assert reason(await ann.call_tool("mesh_run_workflow", wrong)) == "INVALID_INPUT"


async def begun(ann: ClientSession, **inputs: object) -> Json:
    """A run that somebody starts."""
    return cast("Json", (await told(ann, "mesh_run_workflow", template="greeting", inputs=inputs))["run"])


def ended_well(run: Json) -> bool:
    """Whether a run has succeeded; AssertionError when it has failed."""
    assert run["status"] not in ("WORKFLOW_STATUS_FAILED", "WORKFLOW_STATUS_CANCELLED"), run
    return run["status"] == "WORKFLOW_STATUS_COMPLETED"
