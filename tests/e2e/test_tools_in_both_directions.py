"""An assistant calls an agent in Go, which calls a tool: in one trace, with one set of limits, grants and audit.

The assistant and the agent are at one node, the server of files runs on another.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from mcp import ClientSession
from mcp_types import CallToolResult

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditFilter, AuditOutcome, Fact
from a2a_node.model.limits import LimitKey
from a2a_node.model.tools import ServerConfig, Stdio
from a2a_node.model.trace import Trace
from tests.e2e.assistants import assistant
from tests.e2e.foreign import in_go
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.test_tools_called import running, until
from tests.e2e.test_tracing import inside, line
from tests.integration.mcp_clients import reason
from tests.integration.receiver import Receiver

ANN = "person:ann"
GO, TOOL = ("relay-go", "ask"), ("mcp.files", "read_text_file")
INVOKE = "a2amesh.v1.AgentService/Invoke"
SPANS = [  # where each span of the chain is made, from the outermost on; the program in Go makes none
    ("one", INVOKE, "SERVER"),
    ("one", "call relay-go/ask", "CLIENT"),
    ("one", INVOKE, "SERVER"),
    ("one", "call mcp.files/read_text_file", "CLIENT"),
    ("two", INVOKE, "SERVER"),
    ("two", "work mcp.files/read_text_file", "INTERNAL"),
    ("two", "MCP send tools/call read_text_file", "CLIENT"),
]


@dataclass(frozen=True, slots=True)
class House:
    """Two nodes that trace and audit calls, somebody who may do anything, and ann with her assistant."""

    nodes: Sequence[RunningNode]
    receiver: Receiver
    mesh: MeshClient
    ann: ClientSession
    letter: Path

    async def ask(self, trace: Trace) -> CallToolResult:
        """Have the agent in Go read the letter, in that trace."""
        wanted = {"agent": TOOL[0], "capability": TOOL[1], "input": {"path": str(self.letter)}}
        with inside(trace):
            return await self.ann.call_tool("relay-go__ask", wanted)

    async def facts(self, trace: Trace, count: int) -> list[Fact]:
        """What the audit has of a trace, the oldest first, once there is so much."""
        found = list[Fact]()

        async def there() -> bool:
            wanted = AuditFilter(trace_id=f"{trace.trace_id:032x}")
            found[:] = [event.fact async for event in self.mesh.audit.list(wanted)]
            return len(found) >= count

        await until(there)
        return sorted(found, key=lambda fact: fact.timestamp)

    async def tools(self) -> set[str]:
        """Which agents' tools the assistant sees."""
        return {tool.name.partition("__")[0] for tool in (await self.ann.list_tools()).tools}

    async def sees(self, *agents: str) -> None:
        """Wait until it sees the tools of these and no others."""

        async def seen() -> bool:
            return await self.tools() == {*agents}

        await until(seen)


def target(agent: str, capability: str) -> str:
    """What an event of a call is about."""
    return f"agent:{agent}:{capability}"


def fresh() -> Trace:
    """A trace that nobody else is in."""
    return Trace(uuid4().int, 5, sampled=True)


@pytest.fixture
def nodes(tmp_path: Path, postgres_url: str, redis_url: str, receiver: Receiver) -> Iterator[list[RunningNode]]:
    """Two nodes of one mesh; the second one has the disk that the server of files wants."""
    shared = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, "A2A_TRACE_ENDPOINT": receiver.address}
    options = ("--audit-calls", "--json-logs", "--no-workflows")
    with (
        mesh_node(tmp_path / "one", shared, "--node-id", "one", *options) as one,
        mesh_node(tmp_path / "two", {**shared, "A2A_LABELS": "disk=files"}, "--node-id", "two", *options) as two,
    ):
        yield [one, two]


@asynccontextmanager
async def opened(nodes: list[RunningNode], receiver: Receiver, servers: Path, folder: Path) -> AsyncIterator[House]:
    """Everybody in place: the server of files runs, and ann has a key."""
    letter = folder / "letter.txt"
    letter.write_text("dear mesh")
    async with AsyncExitStack() as house:
        mesh = await house.enter_async_context(MeshClient(nodes[0].address, nodes[0].key))
        files = Stdio(str(servers / "mcp-server-filesystem"), (str(folder),))
        await running(mesh, "files", ServerConfig(files, node_labels={"disk": "files"}))
        assert [copy.node_id for copy in (await mesh.tools.get("files")).copies] == ["two"]
        key = (await mesh.keys.create(principal=ANN)).secret
        ann = await house.enter_async_context(assistant(key, nodes[0]))
        yield House(nodes, receiver, mesh, ann, letter)
        await mesh.tools.remove("files", grace=0.5)


async def test_an_assistant_calls_an_agent_in_go_that_calls_a_tool(
    nodes: list[RunningNode], receiver: Receiver, go_examples: Path, mcp_servers: Path, tmp_path: Path
) -> None:
    """What may be done, how fast, and what is remembered of it holds for all hops alike."""
    folder = tmp_path / "letters"
    folder.mkdir()
    with in_go(go_examples).attached(nodes[0]):
        async with opened(nodes, receiver, mcp_servers, folder) as house:
            await grants_hold(house)
            await one_trace_has_all(house)
            await limits_hold(house)


async def grants_hold(house: House) -> None:
    """Nobody sees what it may not invoke; with a grant for the agent alone the tool is refused, and that is audited."""
    assert await house.tools() == set()
    await house.mesh.grants.give(ANN, "agent:relay-go:invoke")
    await house.sees("relay-go")
    trace = fresh()
    assert reason(await house.ask(trace)) == "PERMISSION_DENIED"
    outer, inner = sorted(await house.facts(trace, 2), key=lambda fact: len(fact.call_path))
    assert (outer.target, outer.outcome, outer.call_path) == (target(*GO), AuditOutcome.FAILED, ())
    assert (inner.target, inner.outcome, inner.call_path) == (target(*TOOL), AuditOutcome.REFUSED, ("relay-go",))
    assert {(fact.user_id, fact.reason) for fact in (outer, inner)} == {(ANN, "PERMISSION_DENIED")}
    await house.mesh.grants.give(ANN, "agent:mcp.files:invoke")
    await house.sees("relay-go", "mcpPfiles")


async def one_trace_has_all(house: House) -> None:
    """Each span names the one before as its parent, over two nodes; audit and access logs have each call, in it."""
    trace = fresh()
    result = await house.ask(trace)
    assert result.structured_content == {"content": "dear mesh"}, result.content
    await house.receiver.until(lambda spans: len(line(spans, trace.trace_id)) == len(SPANS))
    spans = line(house.receiver.spans, trace.trace_id)
    assert [(span.resource["service.instance.id"], span.name, span.kind) for span in spans] == SPANS
    assert {span.code for span in spans} == {"UNSET"}
    facts = await house.facts(trace, 3)
    calls = {fact.call_id: (fact.target, fact.call_path) for fact in facts}
    asked, read = (str(spans[place].attributes["a2a.call"]) for place in (0, 2))
    assert calls == {asked: (target(*GO), ()), read: (target(*TOOL), ("relay-go",))}
    assert {(fact.user_id, fact.outcome) for fact in facts} == {(ANN, AuditOutcome.SUCCEEDED)}
    assert {fact.server_id for fact in facts if fact.call_id == read} == {"files"}
    ended = [(read, "mcp.files", "succeeded"), (asked, "relay-go", "succeeded")]  # the innermost first

    async def told() -> bool:
        return [logged(node, trace) for node in house.nodes] == [ended, ended[:1]]

    await until(told)


def logged(node: RunningNode, trace: Trace) -> list[tuple[object, object, object]]:
    """What the access log of a node has of a trace: call, agent and outcome."""
    lines = [entry for entry in node.program.output.splitlines() if f"{trace.trace_id:032x}" in entry]
    said = [json.loads(entry) for entry in lines]
    return [(entry["call_id"], entry["agent"], entry["outcome"]) for entry in said if entry["event"] == "call"]


async def limits_hold(house: House) -> None:
    """One rule for the tool alone, one for all tools of the server: whoever asks is held to it behind the agent."""
    for name, key in (("bob", LimitKey(agent=TOOL[0], capability=TOOL[1])), ("cleo", LimitKey(agent=TOOL[0]))):
        async with somebody(house, f"person:{name}") as asks:  # whose buckets nobody has taken from
            await house.mesh.limits.set(0.001, 1, key)
            await in_force(house, LimitKey(f"person:{name}", *TOOL), key)
            ended = [await asks(fresh()) for _ in range(2)]
        assert [result.is_error for result in ended] == [False, True], key
        assert reason(ended[1]) == "RATE_LIMITED"
        await house.mesh.limits.reset(key)


@asynccontextmanager
async def somebody(house: House, person: str) -> AsyncIterator[Callable[[Trace], Awaitable[CallToolResult]]]:
    """Another one with an assistant, and how it has the agent read the letter."""
    for permission in ("agent:relay-go:invoke", "agent:mcp.files:invoke"):
        await house.mesh.grants.give(person, permission)
    key = (await house.mesh.keys.create(principal=person)).secret
    async with assistant(key, house.nodes[0]) as session:
        other = replace(house, ann=session)
        await other.sees("relay-go", "mcpPfiles")
        yield other.ask


async def in_force(house: House, asked: LimitKey, key: LimitKey) -> None:
    """Wait until every node holds these calls to the limit of that key."""
    for node in house.nodes:
        async with MeshClient(node.address, node.key) as mesh:

            async def known(mesh: MeshClient = mesh) -> bool:
                return (await mesh.limits.get(asked)).limit.key == key

            await until(known)
