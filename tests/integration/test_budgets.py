"""Budgets through whole nodes: what a tree of calls may use, whichever way its agents run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import BudgetExhausted, InvalidInput, StoreUnavailable
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from a2a_node.testing import line_to
from tests.integration.conftest import Running

Place = tuple[Path, str, str]  # a data directory, and both stores
KINDS = ("hosted", "attached", "endpoint")


GATES: dict[str, asyncio.Event] = {}  # all agents here run in the test's own process


async def _counted(work: Awaitable[object]) -> str:
    try:
        await work
    except BudgetExhausted:
        return "refused"
    return "worked"


def spender(name: str) -> Agent:
    """An agent that spends, and lets others work side by side."""
    agent = Agent(name)

    @agent.capability
    async def work(context: Context, tokens: int = 0, gate: str = "", *, fails: bool = False) -> dict[str, object]:
        """Spend so many tokens and tell what is left, once the gate is open."""
        if gate:
            await GATES[gate].wait()
        context.spend("tokens", tokens)
        if fails:
            raise AgentRefused("no", code="ABORTED")
        return {"left": dict(context.budget)}

    @agent.capability
    def toil(context: Context, tokens: int) -> dict[str, object]:
        """The same in a thread."""
        context.spend("tokens", tokens)
        return {"left": dict(context.budget)}

    @agent.capability
    async def each(tokens: int, context: Context) -> AsyncIterator[int]:
        """Spend a token for every output."""
        for number in range(tokens):
            context.spend("tokens", 1)
            yield number

    @agent.capability
    async def spend_and_ask(context: Context, agent: str, spent: int) -> object:
        """Spend so many tokens, then ask another agent."""
        context.spend("tokens", spent)
        return await context.call(agent, "work")

    @agent.capability
    async def ask(context: Context, agent: str, times: int, tokens: int = 0, reserve: int = 0) -> dict[str, object]:
        """Ask another agent several times at once, none of which ends before one was refused; count what came of it."""
        gate = GATES[context.call_id] = asyncio.Event()
        said = {"tokens": tokens, "gate": context.call_id}
        asked = [
            asyncio.create_task(_counted(context.call(agent, "work", said, reserve={"tokens": reserve})))
            for _ in range(times)
        ]
        if times > 1:
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        gate.set()
        return dict(Counter(await asyncio.gather(*asked)))

    return agent


@pytest.fixture
async def house(running_node: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MeshClient]:
    """A node with an agent of each kind."""
    (tmp_path / "hosted_spender.py").write_text(
        "from tests.integration.test_budgets import spender\nagent = spender('hosted')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    async with (
        running_node(agent=("hosted_spender:agent",)) as (node, mesh),
        attached(spender("attached"), node.grpc_address, key=node.key_file.read_text().strip()),
        endpoint(spender("endpoint"), mesh),
    ):
        yield mesh


async def used(mesh: MeshClient, call_id: str) -> dict[str, int]:
    """What a call that has ended used, its children included."""
    return dict((await mesh.get_call(call_id)).used or {})


PAIRS = [(parent, child) for parent in KINDS for child in KINDS if parent != child]


async def test_of_three_parallel_children_exactly_two_start(house: MeshClient) -> None:
    """With a limit of two calls, whichever way the agents run."""
    for parent, child in PAIRS:
        call_id, asked = str(uuid4()), {"agent": child, "times": 3}
        answer = await house.call(parent, "ask", asked, budget={"calls": 2}, call_id=call_id)
        assert answer == {"worked": 2, "refused": 1}, (parent, child)
        assert await used(house, call_id) == {"calls": 2}, (parent, child)


async def test_what_an_agent_has_spent_counts_before_its_children(house: MeshClient) -> None:
    """Though an attached one's report comes another way, and an endpoint's at its end; it counts once."""
    for parent, child in PAIRS:
        left, spent = str(uuid4()), str(uuid4())
        asked = {"agent": child, "spent": 10}
        answer = await house.call(parent, "spend_and_ask", asked, budget={"tokens": 11}, call_id=left)
        assert answer == {"left": {"tokens": 1}}, (parent, child)
        with pytest.raises(BudgetExhausted):
            await house.call(parent, "spend_and_ask", asked, budget={"tokens": 10}, call_id=spent)
        for call_id in (left, spent):
            assert await used(house, call_id) == {"tokens": 10}, (parent, child)


async def test_agents_report_what_they_use(house: MeshClient) -> None:
    """On success, on failure, from a thread, in a stream; and they are told what is left."""
    budget = {"tokens": 100, "calls": 5}
    for kind in KINDS:
        first, failing, toiling, streaming = (str(uuid4()) for _ in range(4))
        answer = await house.call(kind, "work", {"tokens": 30}, budget=budget, call_id=first)
        assert answer == {"left": {"tokens": 70, "calls": 5}}
        with pytest.raises(AgentRefused):
            await house.call(kind, "work", {"tokens": 31, "fails": True}, budget=budget, call_id=failing)
        await house.call(kind, "toil", {"tokens": 32}, budget=budget, call_id=toiling)
        assert [_ async for _ in house.stream(kind, "each", {"tokens": 33}, budget=budget, call_id=streaming)]
        for call_id, tokens in ((first, 30), (failing, 31), (toiling, 32), (streaming, 33)):
            assert await used(house, call_id) == {"tokens": tokens, "calls": 0}, kind


async def test_what_is_expected_is_reserved_and_what_was_used_is_settled(house: MeshClient) -> None:
    """Of three that reserve 50 of 120 tokens, two start at once; they use 10 each, and then there is room again."""
    budget = {"tokens": 120, "calls": 9}
    for parent, child in PAIRS:
        together, alone = str(uuid4()), str(uuid4())
        asked = {"agent": child, "times": 3, "tokens": 10, "reserve": 50}
        answer = await house.call(parent, "ask", asked, budget=budget, call_id=together)
        assert answer == {"worked": 2, "refused": 1}, (parent, child)
        assert await used(house, together) == {"tokens": 20, "calls": 2}
        await house.call(parent, "ask", {**asked, "times": 1}, budget=budget, call_id=alone)
        assert await used(house, alone) == {"tokens": 10, "calls": 1}


async def test_a_refusal_names_the_unit_and_cannot_be_helped_by_asking_again(house: MeshClient) -> None:
    """And a call of a tree without a budget is never refused for that."""
    with pytest.raises(InvalidInput, match="budget"):
        await house.call("hosted", "work", {}, budget={"calls": -1})
    assert await house.call("hosted", "ask", {"agent": "attached", "times": 1}) == {"worked": 1}
    assert await house.call("hosted", "work", {"tokens": 5}) == {"left": {}}


@pytest.fixture
def place(data_dir: Path, postgres_url: str, redis_url: str) -> Place:
    """Where a node of the test's own may run."""
    data_dir.mkdir()
    return data_dir, postgres_url, redis_url


async def test_without_redis_only_calls_with_a_budget_are_refused(place: Place) -> None:
    """At once, and with a reason; all others go on."""
    data_dir, postgres_url, redis_url = place
    parts = urlsplit(redis_url)
    async with line_to(parts.hostname or "", parts.port or 6379) as line:
        url = parts._replace(netloc=f":{parts.password}@127.0.0.1:{line.port}").geturl()
        settings = Settings.model_validate(
            {"data_dir": data_dir, "grpc_port": 0, "peer_port": 0, "http_port": 0, "drain": 1.0}
        )
        async with running(settings, postgres_url, url) as node, client(node) as mesh:
            await mesh.call("echo", "say", {"text": "x"}, budget={"calls": 1})
            line.cut()
            with pytest.raises(StoreUnavailable):
                await mesh.call("echo", "say", {"text": "x"}, budget={"calls": 1}, timeout=5)
            assert await mesh.call("echo", "say", {"text": "x"}) == {"text": "x"}


def client(node: Node) -> MeshClient:
    """A client that knows the node's key."""
    return MeshClient(node.grpc_address, node.key_file.read_text().strip())
