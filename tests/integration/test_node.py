"""A whole node: agents hosted, attached and at an endpoint call each other, and what goes wrong has a name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.attach import Place, attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import (
    AgentDisabled,
    AgentFailed,
    AgentNotFound,
    CallLoop,
    CapabilityNotFound,
    DeadlineExceeded,
    IdempotencyKeyReused,
    InvalidInput,
    MeshError,
    NodeDraining,
    NoInstance,
    PayloadTooLarge,
    SettingInvalid,
    Unauthenticated,
)
from a2a_node.node import Node
from tests.integration.conftest import Running


def relay(name: str) -> Agent:
    """An agent that hands on to the next of a route, and tells the path and the time left at its end."""
    agent = Agent(name, version="2.0.0", tags=["relay"])

    @agent.capability
    async def hand_on(context: Context, route: list[str]) -> dict[str, object]:
        """Call the first of the route with the rest of it."""
        if not route:
            return {"path": list(context.path), "time_left": context.time_left()}
        answer = await context.call(route[0], "hand_on", {"route": route[1:]})
        assert isinstance(answer, dict)
        return answer

    return agent


def guest(agent: Agent, node: Node) -> AbstractAsyncContextManager[Place]:
    """Attach an agent beside a block."""
    return attached(agent, node.grpc_address, key=node.key_file.read_text().strip())


async def test_three_ways_of_running_call_each_other_in_a_chain(
    running_node: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosted, attached and endpoint agents, one path, one deadline that shrinks."""
    (tmp_path / "hosted_relay.py").write_text(
        "from tests.integration.test_node import relay\nagent = relay('hosted')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    async with (
        running_node(agent=("hosted_relay:agent",)) as (node, mesh),
        guest(relay("attached"), node),
        endpoint(relay("endpoint"), mesh),
    ):
        answer = await mesh.call("hosted", "hand_on", {"route": ["attached", "endpoint"]}, timeout=8)
        assert isinstance(answer, dict)
        assert answer["path"] == ["hosted", "attached", "endpoint"]
        assert 0 < answer["time_left"] < 8
        with pytest.raises(CallLoop) as refused:
            await mesh.call("hosted", "hand_on", {"route": ["attached", "endpoint", "hosted"]})
        assert refused.value.variables["path"] == "hosted > attached > endpoint > hosted"


async def test_what_cannot_be_called_is_named(running_node: Running) -> None:
    """Each refusal has a class, a code and a reason."""
    async with running_node() as (_, mesh):
        for agent, capability, said, refusal in (
            ("nobody", "say", {}, AgentNotFound),
            ("echo", "sing", {}, CapabilityNotFound),
            ("Echo!", "say", {}, InvalidInput),
            ("echo", "say", {"text": 5}, InvalidInput),
            ("echo", "say", {"txet": "x"}, InvalidInput),
            ("echo", "count", {"n": 3}, InvalidInput),
            ("echo", "fail", {"crash": True}, AgentFailed),
        ):
            with pytest.raises(refusal):
                await mesh.call(agent, capability, said)


async def test_a_violation_names_its_field(running_node: Running) -> None:
    """As `input.<field>`, for structs and for JSON bytes alike."""
    async with running_node() as (_, mesh):
        with pytest.raises(InvalidInput) as refused:
            await mesh.call("echo", "say", {"text": 5})
        assert refused.value.violations[0][0] == "input.text"


async def test_an_agent_refuses_in_its_own_words(running_node: Running) -> None:
    """Code, reason and message arrive as it chose them."""
    async with running_node() as (_, mesh):
        said = {"code": "OUT_OF_RANGE", "reason": "TOO_FAR", "message": "beyond the map"}
        with pytest.raises(MeshError, match="beyond the map") as refused:
            await mesh.call("echo", "fail", said)
        assert (refused.value.code, refused.value.reason) == ("OUT_OF_RANGE", "TOO_FAR")


async def test_equal_calls_under_one_key_are_done_once(running_node: Running) -> None:
    """Also at the same time; another request under the key is refused, a refusal is kept as well."""
    worked = 0
    agent = Agent("worker")

    @agent.capability
    async def work(amount: int) -> int:
        nonlocal worked
        worked += 1
        await asyncio.sleep(0.05)
        if amount < 0:
            raise AgentRefused("no negative work")
        return worked

    async with running_node() as (node, mesh), guest(agent, node):
        calls = (mesh.call("worker", "work", {"amount": 1}, idempotency_key="k") for _ in range(10))
        assert await asyncio.gather(*calls) == [{"result": 1}] * 10
        assert worked == 1
        with pytest.raises(IdempotencyKeyReused):
            await mesh.call("worker", "work", {"amount": 2}, idempotency_key="k")
        for _ in range(2):
            with pytest.raises(AgentRefused, match="no negative work"):
                await mesh.call("worker", "work", {"amount": -1}, idempotency_key="n")
        assert worked == 2


async def test_a_cached_capability_works_once_for_equal_input(running_node: Running) -> None:
    """Simultaneous calls too; other input is other work."""
    worked = 0
    agent = Agent("oracle")

    @agent.capability(cache="60s")
    async def ask(question: str) -> str:
        nonlocal worked
        worked += 1
        await asyncio.sleep(0.05)
        return question.upper()

    async with running_node() as (node, mesh), guest(agent, node):
        calls = (mesh.call("oracle", "ask", {"question": "why"}) for _ in range(20))
        assert await asyncio.gather(*calls) == [{"result": "WHY"}] * 20
        assert worked == 1
        assert await mesh.call("oracle", "ask", {"question": "how"}) == {"result": "HOW"}
        assert worked == 2


async def test_a_disabled_agent_is_listed_and_not_called(running_node: Running) -> None:
    """And called again once it is enabled."""
    async with running_node() as (_, mesh):
        await mesh.agents.update("echo", enabled=False)
        with pytest.raises(AgentDisabled):
            await mesh.call("echo", "say", {"text": "x"})
        assert [entry.agent.enabled async for entry in mesh.agents.list()] == [False]
        await mesh.agents.update("echo", enabled=True)
        assert await mesh.call("echo", "say", {"text": "x"}) == {"text": "x"}


async def test_an_agent_may_be_hosted_today_and_attached_tomorrow(
    running_node: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the other way round: it is the developer's either way."""
    (tmp_path / "moving.py").write_text("from tests.integration.test_node import relay\nagent = relay('mover')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        async with running_node(agent=("moving:agent",)) as (_, mesh):
            assert await mesh.call("mover", "hand_on", {"route": []})
        async with running_node() as (node, mesh), guest(relay("mover"), node):
            assert await mesh.call("mover", "hand_on", {"route": []})


async def test_an_agent_that_left_is_no_longer_within_reach(running_node: Running) -> None:
    """It is still registered; the refusal can be retried."""
    async with running_node() as (node, mesh):
        async with guest(relay("guest"), node):
            await mesh.call("guest", "hand_on", {"route": []})
        with pytest.raises(NoInstance) as refused:
            await mesh.call("guest", "hand_on", {"route": []})
        assert refused.value.retryable


async def test_a_deadline_reaches_every_agent(running_node: Running) -> None:
    """And ends a stream that takes longer."""
    async with running_node() as (_, mesh):
        with pytest.raises(DeadlineExceeded):
            async for _ in mesh.stream("echo", "count", {"n": 1000, "delay_ms": 50}, timeout=0.3):
                pass


async def test_payloads_up_to_the_limit_pass_and_no_more(running_node: Running) -> None:
    """16 MiB less what JSON needs around it."""
    async with running_node(payload_limit=1_000_000) as (_, mesh):
        text = "x" * (1_000_000 - len(json.dumps({"text": ""}, separators=(",", ":"))))
        assert await mesh.call("echo", "say", {"text": text}) == {"text": text}
        with pytest.raises(PayloadTooLarge, match=r"1000001.*1000000"):
            await mesh.call("echo", "say", {"text": text + "x"})


async def test_nobody_unknown_is_served(running_node: Running) -> None:
    """Whatever they ask for."""
    async with running_node() as (node, _), MeshClient(node.grpc_address, "wrong") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.call("echo", "say", {"text": "x"})
        with pytest.raises(Unauthenticated):
            _ = [entry async for entry in stranger.agents.list()]


async def test_a_draining_node_finishes_what_it_has_and_takes_no_more(running_node: Running) -> None:
    """The stream that runs ends in order; a new call is refused with a reason."""
    async with running_node() as (node, mesh):
        numbers = mesh.stream("echo", "count", {"n": 5, "delay_ms": 50})
        assert await anext(numbers) == {"number": 1}
        draining = asyncio.create_task(node.drained())
        await node.asked_to_drain()
        with pytest.raises(NodeDraining):
            await mesh.call("echo", "say", {"text": "x"})
        assert [number async for number in numbers] == [{"number": n} for n in range(2, 6)]
        assert await draining == 0


async def test_a_taken_port_is_named_at_the_start(running_node: Running) -> None:
    """With the setting to change."""
    async with running_node() as (node, _):
        port = int(node.grpc_address.rpartition(":")[2])
        with pytest.raises(SettingInvalid, match="grpc_port"):
            async with running_node(grpc_port=port):
                pass


async def test_a_conversation_runs_through_an_attached_agent(running_node: Running) -> None:
    """Inputs and outputs interleave."""
    agent = Agent("counter")

    @agent.capability
    async def add(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        total = 0
        async for number in numbers:
            total += number
            yield total

    async def three() -> AsyncIterator[object]:
        for number in (1, 2, 3):
            yield {"item": number}

    async with running_node() as (node, mesh), guest(agent, node):
        totals = [total async for total in mesh.converse("counter", "add", three())]
        assert totals == [{"result": 1}, {"result": 3}, {"result": 6}]
