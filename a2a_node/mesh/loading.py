"""Hosted agents by their place in Python code: `package.module:name`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from a2a_node.agent import Agent
from a2a_node.model.errors import SettingInvalid


def loaded(places: Sequence[str], builtin: Sequence[Agent] = ()) -> Mapping[str, Agent]:
    """The agents by name, the built-in ones among them; SettingInvalid says which place is wrong, and how."""
    agents: dict[str, Agent] = {agent.descriptor.name: agent for agent in builtin}
    for place in places:
        agent = _at(place)
        if agent.descriptor.name in agents:
            raise SettingInvalid("agent", f"{place!r} is a second agent of the name {agent.descriptor.name!r}")
        agents[agent.descriptor.name] = agent
    return agents


def _at(place: str) -> Agent:
    module_name, _, name = place.partition(":")
    if not module_name or not name:
        raise SettingInvalid("agent", f"{place!r} is not of the form package.module:name")
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` does: agents are written in the directory that one stands in
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module_name), name, None)
    except ImportError as error:
        raise SettingInvalid("agent", f"{place!r} cannot be imported: {error}") from error
    if not isinstance(found, Agent):
        raise SettingInvalid("agent", f"{place!r} is no Agent")
    return found
