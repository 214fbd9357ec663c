"""Sources and templates that tests of workflows share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.workflows import (
    AgentCall,
    Approval,
    OnFailure,
    Problem,
    Retry,
    SubWorkflow,
    Template,
    TemplateInput,
    TemplateStep,
    Work,
)
from a2a_node.workflows.plan import Known
from a2a_node.workflows.template import Reading, read_template
from a2a_node.workflows.validating import NOBODY, validated

RELEASE = """\
name: release
description: Builds and ships.
tags: [ci]
timeout: 1h
# no schedule: nobody would name the repository
max_concurrent_runs: 2
inputs:
  repository: {type: string, description: Where it lies.}
  files: {type: array, default: [a.py, b.py]}
steps:
  fetch:
    description: Gets the sources.
    agent: git
    capability: clone
    input: {url: "${{ inputs.repository }}"}
    retry: {attempts: 3, backoff: 2s, reasons: [AGENT_LOST, NO_INSTANCE]}
    timeout: 5m
  lint:
    capability: lint
    tag: python
    needs: fetch
    foreach: inputs.files
    max_concurrent_items: 4
    input: {file: "${{ steps.fetch.output.path }}/${{ item }}"}
    on_failure: continue
  build:
    workflow: wheel
    needs: [fetch]
    input: {path: "${{ steps.fetch.output.path }}"}
  gate:
    needs: [lint, build]
    if: ${{ size(inputs.files) > 0 }}
    approval: {permission: "workflow:release:approve", question: Ship it?}
    timeout: 1d
  ship:
    agent: deployer
    needs: [gate]
    input: {wheel: "${{ steps.build.output.wheel }}"}
    on_failure: compensate
  unship:
    agent: deployer
    capability: undo
    compensates: ship
    input: {release: "${{ steps.ship.output.release }}"}
output: {url: "${{ steps.ship.output.url }}"}
"""


def read(source: str) -> Template:
    """The template of a source that can be read."""
    reading = read_template(source)
    assert isinstance(reading, Reading), reading
    return reading.template


def found(source: str, known: Known = NOBODY) -> Sequence[Problem]:
    """What is wrong with a source."""
    return validated(source, known).problems


def rules(source: str, known: Known = NOBODY) -> list[str]:
    """The rules that a source breaks."""
    return [problem.rule for problem in found(source, known)]


def only(source: str, known: Known = NOBODY) -> Problem:
    """The one thing that is wrong with a source."""
    (problem,) = found(source, known)
    return problem


def of_steps(steps: str, head: str = "") -> str:
    """A source with these steps, written from the first column on."""
    return f"name: t\n{head}steps:\n" + "".join(f"  {line}\n" for line in steps.splitlines())


class Agents:
    """The port `KnownAgents` on a few agents."""

    def __init__(self, *agents: AgentDescriptor) -> None:
        self._agents = {agent.name: agent for agent in agents}

    def descriptor(self, agent: str) -> AgentDescriptor | None:
        """What the agent says of itself."""
        return self._agents.get(agent)

    def offering(self, capability: str, tag: str) -> Sequence[AgentDescriptor]:
        """Those that offer it and have the tag."""
        return [
            agent
            for agent in self._agents.values()
            if capability in [one.name for one in agent.capabilities] and (not tag or tag in agent.tags)
        ]


class Kept:
    """The port `KnownTemplates` on sources."""

    def __init__(self, *sources: str) -> None:
        self._templates = {template.name: template for template in map(read, sources)}

    def template(self, name: str) -> Template | None:
        """The template of that name."""
        return self._templates.get(name)


def agent(name: str, takes: Mapping[str, object], gives: Mapping[str, object] | None = None) -> AgentDescriptor:
    """An agent of one capability, `work`, tagged `tools`."""
    capability = AgentCapability("work", input_schema=takes, output_schema=gives or {})
    return AgentDescriptor(name, tags=("tools",), capabilities=(capability,))


TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}x", fullmatch=True)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
SPANS = st.integers(1_000, 10**9).map(lambda thousandths: thousandths / 1000)


def works() -> st.SearchStrategy[Work]:
    """Whatever a step can do."""
    return st.one_of(
        st.builds(AgentCall, agent=NAMES, capability=st.just("") | NAMES, input=OBJECTS),
        st.builds(AgentCall, capability=NAMES, tag=st.just("") | NAMES, input=OBJECTS),
        st.builds(SubWorkflow, template=NAMES, input=OBJECTS),
        st.builds(Approval, permission=NAMES.map(lambda name: f"workflow:{name}"), question=TEXTS),
    )


@st.composite
def steps(draw: st.DrawFn, name: str, before: Sequence[str]) -> TemplateStep:
    """A step that needs some of those before."""
    work = draw(works())
    plain = isinstance(work, Approval)
    foreach = "" if plain else draw(st.sampled_from(["", "inputs.files", "[1, 2]"]))
    return TemplateStep(
        name,
        work,
        draw(TEXTS),
        tuple(draw(st.lists(st.sampled_from(before), unique=True, max_size=3))) if before else (),
        draw(st.sampled_from(["", "1 < 2", "size(context) == 0"])),
        foreach,
        draw(st.integers(0, 9)) if foreach else 0,
        Retry() if plain else draw(st.builds(Retry, st.integers(1, 20), SPANS.filter(lambda span: span <= 3600))),
        draw(st.just(0.0) | SPANS),
        draw(st.sampled_from(OnFailure)),
    )


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Any template whose form is right, and whose graph has no cycle."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    made = [draw(steps(name, names[:place])) for place, name in enumerate(names)]
    inputs = [
        TemplateInput(name, draw(TEXTS), {}, required, None if required else draw(VALUES))
        for name, required in draw(st.dictionaries(NAMES, st.booleans(), max_size=3)).items()
    ]
    return Template(
        draw(NAMES),
        draw(TEXTS),
        tuple(draw(st.lists(NAMES, unique=True, max_size=3))),
        tuple(inputs),
        tuple(draw(st.permutations(made))),
        draw(OBJECTS),
        draw(SPANS),
        draw(st.sampled_from(["", "*/5 * * * *", "0 3 1,15 * 1-5"])),
        draw(st.integers(0, 9)),
    )
