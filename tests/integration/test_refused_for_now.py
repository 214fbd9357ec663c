"""Agents that refuse for now, with UNAVAILABLE: they are tried again, however they run and whatever reason they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a2a_node.agent import Agent, AgentRefused
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import MeshError
from tests.integration.conftest import Running

KINDS = ("hosted", "attached", "endpoint")
WORKS: Counter[str] = Counter()  # by what was asked; all agents here run in the test's own process


def shop(name: str) -> Agent:
    """An agent that refuses as often as it is told to."""
    agent = Agent(name)

    @agent.capability
    async def buy(item: str, refusals: int, code: str, reason: str) -> str:
        WORKS[item] += 1
        if WORKS[item] <= refusals:
            raise AgentRefused("closed until noon", code=code, reason=reason)
        return item

    return agent


@pytest.fixture
async def house(running_node: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MeshClient]:
    """A node with an agent of each kind."""
    (tmp_path / "hosted_shop.py").write_text(
        "from tests.integration.test_refused_for_now import shop\nagent = shop('hosted')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    WORKS.clear()
    async with (
        running_node(agent=("hosted_shop:agent",)) as (node, mesh),
        attached(shop("attached"), node.grpc_address, key=node.key_file.read_text().strip()),
        endpoint(shop("endpoint"), mesh),
    ):
        yield mesh


@pytest.mark.parametrize("reason", ["AGENT_REFUSED", "SHOP_CLOSED"])
async def test_a_refusal_for_now_is_tried_again_and_not_kept(house: MeshClient, reason: str) -> None:
    """Three times; the next call with the same key is a new one, which is answered."""
    for kind in KINDS:
        asked = {"item": kind, "refusals": 4, "code": "UNAVAILABLE", "reason": reason}
        with pytest.raises(MeshError) as refused:
            await house.call(kind, "buy", asked, idempotency_key="k")
        assert (refused.value.code, refused.value.reason, refused.value.retryable) == ("UNAVAILABLE", reason, True)
        assert WORKS[kind] == 3, kind
        assert await house.call(kind, "buy", asked, idempotency_key="k") == {"result": kind}
        assert WORKS[kind] == 5, kind


@pytest.mark.parametrize("reason", ["AGENT_REFUSED", "SHOP_CLOSED"])
async def test_a_refusal_for_good_is_kept(house: MeshClient, reason: str) -> None:
    """It is told again to whoever repeats the call with its key."""
    for kind in KINDS:
        asked = {"item": kind, "refusals": 1, "code": "ABORTED", "reason": reason}
        for _ in range(2):
            with pytest.raises(MeshError) as refused:
                await house.call(kind, "buy", asked, idempotency_key="k")
            assert (refused.value.code, refused.value.reason, refused.value.retryable) == ("ABORTED", reason, False)
        assert WORKS[kind] == 1, kind
