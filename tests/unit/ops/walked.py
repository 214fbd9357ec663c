"""Runs of the built-in templates with the agents themselves, and an engine and a record in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from a2a_node.agent import Agent
from a2a_node.model.workflows import Object, Template
from a2a_node.workflows.shelf import built_in
from a2a_node.workflows.walk_ports import Said, StepCall
from tests.unit.ops.places import done
from tests.unit.workflows.walks import Agents, Paper, paper, walked

ALWAYS = 1e9  # seconds: here time is the machine's own, which began when it did


@dataclass
class Working(Agents):
    """Agents that do their work; those that there are not behave as they are told to."""

    agents: Mapping[str, Agent] = field(default_factory=dict)

    async def call(self, call: StepCall, said: Said) -> object:
        """What the agent makes of its input."""
        if call.agent not in self.agents:
            return await super().call(call, said)
        self.calls.append(call)
        return await done(self.agents[call.agent], call.capability, **call.input)


async def run(name: str, agents: Mapping[str, Agent], inputs: Object) -> Paper:
    """The record of a run of a built-in template that nobody disturbs."""
    source = built_in()[name]
    _, template = paper(source)
    kept, template = paper(source, _with_defaults(template, inputs), ALWAYS)
    await walked(kept, template, Working(agents=agents))
    return kept


def _with_defaults(template: Template, inputs: Object) -> Object:
    defaults = {each.name: each.default for each in template.inputs if not each.required}
    return {**defaults, **inputs}
