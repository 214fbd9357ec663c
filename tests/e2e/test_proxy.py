"""An agent's own gRPC service through a node, with grpcurl: what it offers is listed, described and called."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from a2a_node.client import MeshClient
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from tests.e2e.nodes import RunningNode
from tests.e2e.tools import ROOT

ORDERS = AgentDescriptor("orders", capabilities=(AgentCapability("say"),))
Ask = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def orders(node: RunningNode) -> Iterator[RunningNode]:
    """A node with which the agent, in a process of its own, is registered."""
    command = (sys.executable, "-m", "tests.integration.orders_agent", "127.0.0.1:0")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        port = int(agent.stdout.readline())

        async def register() -> None:
            async with MeshClient(node.address, node.key) as mesh:
                await mesh.agents.register(ORDERS, f"127.0.0.1:{port}", 300)

        try:
            asyncio.run(register())
            yield node
        finally:
            agent.kill()


@pytest.fixture
def ask(orders: RunningNode, grpcurl: Path) -> Ask:
    """Runs grpcurl with the agent's name; options, then what follows the address."""

    def ask(*options: str, then: tuple[str, ...], key: str = orders.key) -> subprocess.CompletedProcess[str]:
        named = ("-H", f"authorization: Bearer {key}", "-H", "a2a-agent: orders")
        command = (str(grpcurl), "-plaintext", *named, *options, orders.address, *then)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return ask


def test_grpcurl_finds_and_calls_what_an_agent_offers(ask: Ask) -> None:
    """By the agent's own reflection, in each shape; the node's services are not in it."""
    listed = ask(then=("list",))
    assert listed.returncode == 0, listed.stderr
    assert "orders.v1.Orders" in listed.stdout.split()
    assert "a2amesh.v1.AgentService" not in listed.stdout
    described = ask(then=("describe", "orders.v1.Orders"))
    assert "rpc Place ( .orders.v1.Order ) returns ( .orders.v1.Order );" in described.stdout
    placed = ask("-d", '{"item": "tea", "count": 2}', then=("orders.v1.Orders/Place",))
    assert placed.returncode == 0, placed.stderr
    assert json.loads(placed.stdout) == {"item": "tea", "count": 2}
    watched = ask("-d", '{"item": "tea", "count": 3}', then=("orders.v1.Orders/Watch",))
    assert watched.stdout.count('"item": "tea"') == 3
    uploaded = ask("-d", '{"item": "tea"} {"item": "milk"}', then=("orders.v1.Orders/Upload",))
    assert json.loads(uploaded.stdout) == {"item": "all", "count": 2}
    talked = ask("-d", '{"item": "tea"} {"item": "milk"}', then=("orders.v1.Orders/Talk",))
    assert [line for line in talked.stdout.split('"') if line in ("tea", "milk")] == ["tea", "milk"]


def test_grpcurl_shows_an_agents_own_error_and_the_nodes_refusal(ask: Ask) -> None:
    """Each with its own details."""
    refused = ask("-d", '{"item": "refuse"}', then=("orders.v1.Orders/Place",))
    for told in ("Code: Aborted", "Message: no stock", '"reason": "OUT_OF_STOCK"', '"domain": "orders"'):
        assert told in refused.stderr
    unknown = ask(then=("list",), key="wrong")
    assert unknown.returncode != 0
    assert "Unauthenticated" in unknown.stderr
