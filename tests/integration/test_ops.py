"""A node that hosts all ops agents, and what it makes of the built-in templates."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from a2a_node.model.errors import InvalidInput, MeshError, PermissionDenied
from a2a_node.node.operations import AGENTS
from a2a_node.workflows.shelf import built_in
from tests.integration.conftest import Running
from tests.integration.people import Meet, meet

__all__ = ["meet"]


async def test_every_step_of_the_built_in_templates_is_what_its_agent_takes(running_node: Running) -> None:
    """Agent, capability and input; each agent is described whole, and the templates are in the library."""
    async with running_node(ops="all") as (_, mesh):
        async with asyncio.timeout(30):
            while len(found := [one async for one in mesh.workflows.templates()]) < len(built_in()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for name, source in built_in().items():
            problems = (await mesh.workflows.validate(source)).problems
            assert [f"{name}:{problem}" for problem in problems] == []
        listed = {entry.agent.descriptor.name: entry.agent.descriptor async for entry in mesh.agents.list()}
        assert set(AGENTS) <= set(listed)
        for name in AGENTS:
            assert listed[name].description
            assert all(capability.description for capability in listed[name].capabilities)
        assert {one.template.name for one in found} == set(built_in())
        assert all(one.created_by.startswith("node:") and one.version == 1 for one in found)


async def test_who_may_not_call_an_agent_and_what_it_may_not_run_is_refused(meet: Meet, tmp_path: Path) -> None:
    """By the permission of that agent, and by the list of commands that the node was given."""
    workspace = tmp_path / "shared"
    async with meet(ops=("python",), ops_workspace=workspace, ops_commands=("git",)) as one:
        (workspace / "shop").mkdir()
        with pytest.raises(PermissionDenied, match="agent:python:invoke"):
            await one.ann.call("python", "lint", {"path": "shop"})
        await one.dev.grants.give("person:ann", "agent:python:invoke")
        with pytest.raises(MeshError, match="ruff") as refused:
            await one.ann.call("python", "lint", {"path": "shop"})
        assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "COMMAND_NOT_ALLOWED")


async def test_a_path_that_leaves_the_workspace_is_refused(running_node: Running, tmp_path: Path) -> None:
    """By the field, through the whole node; what is inside is done."""
    async with running_node(ops="python,releases", ops_workspace=tmp_path / "shared") as (_, mesh):
        (tmp_path / "shared/page.txt").write_text("x", encoding="utf-8")
        staged = await mesh.call("releases", "stage", {"site": "shop", "source": "page.txt"})
        assert isinstance(staged, dict)
        assert (tmp_path / "shared" / staged["path"] / "page.txt").is_file()
        for agent, capability, said in (
            ("releases", "stage", {"site": "shop", "source": "../x"}),
            ("python", "build", {"path": "/etc"}),
        ):
            with pytest.raises(InvalidInput, match=r"input\.(source|path)"):
                await mesh.call(agent, capability, said)
