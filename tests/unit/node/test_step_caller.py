"""Whom a step calls that names no agent."""

from __future__ import annotations

from typing import cast

import pytest

from a2a_node.client.step_calls import StepCalls
from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.errors import NoInstance
from a2a_node.model.nodes import Node
from a2a_node.model.workflows import AgentCall
from a2a_node.node.step_caller import StepCaller
from a2a_node.testing import MemoryRegistry

LINT = (AgentCapability("lint"),)
AGENTS = {
    "plain": AgentDescriptor("plain", capabilities=LINT),
    "snake": AgentDescriptor("snake", tags=("python", "fast"), capabilities=LINT),
    "tidy": AgentDescriptor("tidy", tags=("python",), capabilities=(AgentCapability("format"),)),
    "away": AgentDescriptor("away", tags=("cobol",), capabilities=LINT),
}


@pytest.fixture
async def caller() -> StepCaller:
    """Beside agents of which one has no running copy."""
    registry = MemoryRegistry()
    await registry.join(Node("n1", "127.0.0.1:1"), 60.0)
    for name, agent in AGENTS.items():
        await registry.register(agent, "person:ann", Instance(name, name, "n1", InstanceKind.HOSTED))
    await registry.remove_instances(["away"])
    return StepCaller(cast("StepCalls", None), registry, "n1")


@pytest.mark.parametrize(("tag", "chosen"), [("", {"plain", "snake"}), ("python", {"snake"}), ("fast", {"snake"})])
async def test_a_tag_rules_agents_out(caller: StepCaller, tag: str, chosen: set[str]) -> None:
    """Also such as offer the same capability."""
    found = [await caller.chosen(AgentCall(capability="lint", tag=tag)) for _ in range(40)]
    assert {*found} == {(name, "lint") for name in chosen}


@pytest.mark.parametrize("tag", ["java", "cobol"])
async def test_nobody_is_called_who_has_no_such_tag_or_is_not_there(caller: StepCaller, tag: str) -> None:
    """The step may be tried again later."""
    with pytest.raises(NoInstance, match="any agent that offers lint"):
        await caller.chosen(AgentCall(capability="lint", tag=tag))
