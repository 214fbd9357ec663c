"""What survives: kill -9 of the node, a second node on the same data, stores that go away in the middle of RPCs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from a2a_node.agent import Agent
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import MeshError
from tests.e2e.nodes import A2A_NODE, RunningNode, running_node
from tests.e2e.processes import executed


def relatives(node: RunningNode) -> list[psutil.Process]:
    """The node and the servers that run in its data directory, whoever their parent is."""
    return [process for process in psutil.process_iter() if str(node.data_dir) in traces(process)]


def traces(process: psutil.Process) -> str:
    """What tells where a process belongs; Valkey writes over its command line and stays where its data is."""
    try:
        return " ".join([*process.cmdline(), process.cwd()])
    except psutil.Error:
        return ""


def servers(node: RunningNode, name: str) -> list[psutil.Process]:
    """The processes of one of its stores: `postgres` or `valkey-server`."""
    return [process for process in relatives(node) if process.name() == name]


@asynccontextmanager
async def client(node: RunningNode) -> AsyncIterator[MeshClient]:
    """A client of the node."""
    async with MeshClient(node.address, node.key) as mesh:
        yield mesh


def plain(name: str) -> Agent:
    """An agent with one capability."""
    agent = Agent(name, version="3.1.4", tags=["kept"])

    @agent.capability
    async def say(text: str = "") -> str:
        return text

    return agent


async def test_a_killed_node_loses_no_registration_no_session_and_no_value(open_folder: Path) -> None:
    """Whatever was acknowledged before kill -9 is there after the restart; a live endpoint is found again."""
    data_dir = open_folder / "killed"
    with running_node(data_dir, start=executed) as node:
        async with client(node) as mesh:
            session = await mesh.sessions.create({"k": "v"}, user_id="u1")
            await mesh.cache.set("answer", 42)
            await mesh.agents.update("echo", config={"tone": "kind"})
            port = int(node.address.rpartition(":")[2])
            async with endpoint(plain("steady"), mesh, lease=60):
                os.kill(node.pid, signal.SIGKILL)
                node.program.end()
                with running_node(data_dir, grpc_port=port, start=executed) as again:
                    async with client(again) as back:
                        assert (await back.sessions.get(session.id)).data == {"k": "v"}
                        kept = await back.cache.get("answer")
                        assert kept is not None
                        assert kept.value == 42
                        steady = await back.agents.get("steady")
                        assert steady.agent.descriptor.version == "3.1.4"
                        assert (await back.agents.get("echo")).agent.descriptor.config == {"tone": "kind"}
                        assert await back.call("steady", "say", {"text": "still here"}) == {"result": "still here"}
                    again.program.ends()
                    assert relatives(again) == []


async def test_a_second_node_on_the_same_data_is_refused_and_harms_nothing(open_folder: Path) -> None:
    """It names the process that runs there."""
    with running_node(open_folder / "shared", start=executed) as node:
        ports = ("--grpc-port", "0", "--peer-port", "0", "--http-port", "0")
        command = [str(A2A_NODE), "up", *ports, "--data-dir", str(node.data_dir)]
        second = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode not in (0, None)
        assert str(node.pid) in second.stderr
        assert "Traceback" not in second.stderr
        async with client(node) as mesh:
            assert await mesh.call("echo", "say", {"text": "fine"}) == {"text": "fine"}


async def test_sigterm_lets_a_running_call_end_and_leaves_nothing_running(open_folder: Path) -> None:
    """Exit code 0, the stream complete, no process of the node or its stores left."""
    with running_node(open_folder / "drained", start=executed) as node:
        async with client(node) as mesh:
            numbers = mesh.stream("echo", "count", {"n": 5, "delay_ms": 100})
            assert await anext(numbers) == {"number": 1}
            os.kill(node.pid, signal.SIGTERM)
            assert [number async for number in numbers] == [{"number": n} for n in range(2, 6)]
        node.program.ends()
        assert relatives(node) == []


@pytest.fixture(scope="module")
def fragile(open_folder: Path) -> Iterator[RunningNode]:
    """A node whose stores are stopped and let go again."""
    with running_node(open_folder / "fragile", start=executed) as node:
        yield node


@asynccontextmanager
async def stopped(node: RunningNode, name: str) -> AsyncIterator[None]:
    """Stop a store, as a hung machine does: its connections stay open and nothing answers."""
    processes = servers(node, name)
    assert processes
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


STORE_NAMES = {"valkey-server": "redis", "postgres": "postgres"}
SUFFERERS = {"valkey-server": "a2amesh.v1.SessionService", "postgres": "a2amesh.v1.RegistryService"}


async def health(node: RunningNode, service: str) -> str:
    """What gRPC health says of a service, or of the node as a whole."""
    async with grpc.aio.insecure_channel(node.address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        said = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(said.status))


def standing(node: RunningNode) -> dict[str, str]:
    """What `/readyz` says of each dependency."""
    with urllib.request.urlopen(f"http://{node.http}/readyz", timeout=10) as answer:
        dependencies: dict[str, str] = json.load(answer)["dependencies"]
        return dependencies


async def until(ask: Callable[[], Awaitable[str]], wanted: str) -> None:
    """Wait until it says so; half a minute at most."""
    async with asyncio.timeout(30):
        while await ask() != wanted:  # noqa: ASYNC110 - health is asked, as a probe asks it
            await asyncio.sleep(0.2)


REDIS_RPCS = ("create", "get", "update", "touch", "delete", "set", "increment", "publish", "hear")
POSTGRES_RPCS = ("register", "renew", "deregister", "change")


async def rpc(mesh: MeshClient, name: str, instance_id: str = "3f0b8f9e-58c4-4a3e-8d5c-1a9d3f1c0a11") -> object:
    """One RPC that needs a store."""
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: mesh.sessions.create({}, user_id="u"),
        "get": lambda: mesh.sessions.get("none"),
        "update": lambda: mesh.sessions.update("none", {}, expected=1),
        "touch": lambda: mesh.sessions.touch("none"),
        "delete": lambda: mesh.sessions.delete("none"),
        "set": lambda: mesh.cache.set("k", 1),
        "increment": lambda: mesh.cache.increment("n"),
        "publish": lambda: mesh.cache.publish("t", {}),
        "hear": lambda: anext(mesh.cache.subscribe("t")),
        "register": lambda: mesh.agents.register(plain("late").descriptor, "127.0.0.1:1", 15),
        "renew": lambda: mesh.agents.renew(instance_id),
        "deregister": lambda: mesh.agents.deregister(instance_id=instance_id),
        "change": lambda: mesh.agents.update("echo", enabled=True),
    }
    return await calls[name]()


@pytest.mark.parametrize(
    ("store", "rpcs"), [("valkey-server", REDIS_RPCS), ("postgres", POSTGRES_RPCS)], ids=["redis", "postgres"]
)
async def test_a_store_that_hangs_is_named_quickly_and_calls_go_on(
    fragile: RunningNode, store: str, rpcs: tuple[str, ...]
) -> None:
    """Each RPC that needs it ends with STORE_UNAVAILABLE, others go on; when it is back, so are they."""
    async with client(fragile) as mesh:
        _, instance = await mesh.agents.register(plain("known").descriptor, "127.0.0.1:1", 60)
        async with stopped(fragile, store):
            assert await mesh.call("echo", "say", {"text": "on"}) == {"text": "on"}
            began = monotonic()
            refused = await asyncio.gather(*(rpc(mesh, name, instance.id) for name in rpcs), return_exceptions=True)
            assert {getattr(error, "reason", repr(error)) for error in refused} == {"STORE_UNAVAILABLE"}
            assert monotonic() - began < 10
            assert [entry.agent.name async for entry in mesh.agents.list()]
            await until(lambda: health(fragile, SUFFERERS[store]), "NOT_SERVING")
            assert await health(fragile, "") == "SERVING"
            assert standing(fragile)[STORE_NAMES[store]] == "away"
        await until(lambda: health(fragile, SUFFERERS[store]), "SERVING")
        async with asyncio.timeout(20):
            while isinstance(await outcome(mesh, rpcs[0]), MeshError):  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # nothing tells a client that a store is back


async def outcome(mesh: MeshClient, name: str) -> object:
    """What an RPC answers, or its error."""
    try:
        return await rpc(mesh, name)
    except MeshError as error:
        return error


async def test_an_idempotent_call_without_its_store_is_refused_and_a_plain_one_is_not(fragile: RunningNode) -> None:
    """The promise cannot be kept, so it is not made."""
    async with client(fragile) as mesh, stopped(fragile, "valkey-server"):
        with pytest.raises(MeshError) as refused:
            await mesh.call("echo", "say", {"text": "x"}, idempotency_key="k")
        assert refused.value.reason == "STORE_UNAVAILABLE"
        assert await mesh.cache.get("anything") is None
        assert await mesh.call("echo", "say", {"text": "x"}) == {"text": "x"}
