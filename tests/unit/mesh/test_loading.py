"""Hosted agents by their place in code."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.mesh.loading import loaded
from a2a_node.model.errors import SettingInvalid
from a2a_node.ops.echo import agent as echo

CODE = """
from a2a_node.agent import Agent

agent = Agent("greeter")
nothing = 5


@agent.capability
async def greet() -> str:
    return "hello"
"""


@pytest.fixture(autouse=True)
def greeter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in a folder of its own."""
    (tmp_path / "greeter_agent.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)


def test_agents_are_found_by_module_and_name() -> None:
    """Beside the built-in ones."""
    assert set(loaded(["greeter_agent:agent"], [echo])) == {"echo", "greeter"}


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        (["greeter_agent"], "form"),
        (["no_such_module:agent"], "cannot be imported"),
        (["greeter_agent:nobody"], "is no Agent"),
        (["greeter_agent:nothing"], "is no Agent"),
        (["greeter_agent:agent", "greeter_agent:agent"], "second agent"),
    ],
    ids=["form", "module", "absent", "another-thing", "twice"],
)
def test_a_wrong_place_is_named(places: list[str], problem: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(SettingInvalid, match=problem):
        loaded(places)
