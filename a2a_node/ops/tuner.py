"""The agent `tuner`: proposes changes of settings, makes one for its caller, and keeps it only when it has helped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, Context
from a2a_node.model.errors import InvalidInput
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.model.ops_ports import MeshChanges
from a2a_node.ops.incidents.remedies import terms_of
from a2a_node.ops.incidents.senses import Hands
from a2a_node.ops.incidents.words import Edge
from a2a_node.ops.performance import tunables
from a2a_node.ops.performance.evidence import Evidence, Hot
from a2a_node.ops.performance.loading import Measured
from a2a_node.ops.performance.significance import Comparison, compared
from a2a_node.ops.performance.story import Settled, Story, markdown, said
from a2a_node.ops.performance.tunables import Change, Subject
from a2a_node.ops.workplace import Workplace

Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="What the report is called.")]


class Proposals(BaseModel):
    """What could be changed, the likeliest to help first."""

    changes: list[Change]
    found: Annotated[bool, Field(description="Whether there is any.")]
    looked: Annotated[list[str], Field(description="What the calls and the profile say.")] = []


class Report(BaseModel):
    """Where the report lies."""

    markdown: Annotated[str, Field(description="Path in the workspace.")]
    json_path: Annotated[str, Field(description="Path in the workspace.")]


def made(workplace: Workplace, hands: Hands) -> Agent:
    """The agent, on a workspace, with what it may do for its callers."""
    agent = Agent(
        "tuner",
        version="1.0.0",
        description="Proposes changes of settings, makes one, and keeps it only when the gain is significant.",
        category="operations",
        tags=("built-in", "ops"),
    )
    _proposing(agent, hands.changes)
    _changing(agent, hands.changes)
    _telling(agent, workplace)
    return agent


def _proposing(agent: Agent, changes: MeshChanges) -> None:
    @agent.capability(idempotent=True)
    async def propose(
        agent: Annotated[str, Field(pattern="^[a-z][a-z0-9_.-]{0,62}$", description="Whose settings.")],
        baseline: Measured,
        capability: Annotated[str, Field(max_length=63, description="What was measured; absent: its only one.")] = "",
        hottest: Annotated[list[Hot], Field(max_length=100, description="Of a profile under the load.")] = [],  # noqa: B006 - pydantic copies it
        ways: Annotated[list[Edge], Field(max_length=500, description="Who called whom under the load.")] = [],  # noqa: B006 - as above
    ) -> Proposals:
        """Propose changes of what can be changed while agents work: limits, and numbers that agents declare.

        Numbers come in the order of what the profile shows of the functions that they govern; those of another agent
        come first where most of the time goes into the calls to it.
        """
        known = Evidence(hottest, ways)
        guilty, share = known.below(agent)
        below = _subject(changes, guilty, "") if guilty else None
        found = list(tunables.proposed(_subject(changes, agent, capability), baseline, known, below))
        looked = [f"{share:.0%} of its time goes into its calls of {guilty}"] if guilty else []
        if hottest:
            looked.append(f"most of the profile is within {max(hottest, key=lambda hot: hot.own).function}")
        return Proposals(changes=found, found=bool(found), looked=looked)


def _subject(changes: MeshChanges, agent: str, capability: str) -> Subject:
    descriptor, _ = changes.agent(agent)
    name = descriptor.capability(capability).name if capability or len(descriptor.capabilities) == 1 else ""
    key = LimitKey(agent=agent, capability=name)
    limit = changes.limit(key)
    return Subject(descriptor, name, limit, limit.key == key)


def _changing(agent: Agent, changes: MeshChanges) -> None:
    @agent.capability(idempotent=True)
    async def apply(change: Change, context: Context) -> dict[str, str]:
        """Make one change, within its bounds; it takes `limit:write`, or `registry:write` and to own the agent."""
        descriptor, _ = changes.agent(change.agent)
        tunables.checked(change, descriptor.config)
        await _made(changes, context, change, change.after)
        return {"what": f"{said(change)} is {change.after:g}; it was {change.before:g}"}

    @agent.capability(idempotent=True)
    async def revert(change: Change, context: Context) -> dict[str, str]:
        """Take a change back; its callers need the same as for `apply`."""
        await _reverted(changes, context, change)
        return {"what": f"{said(change)} is {change.before:g} again"}

    @agent.capability(idempotent=True)
    async def settle(
        change: Change,
        before: Measured,
        after: Measured,
        context: Context,
        others: Annotated[list[Measured], Field(max_length=10, description="Measured before the change, too.")] = [],  # noqa: B006 - as above
    ) -> Settled:
        """Keep a change if calls are faster or fail less, surely and by enough (Mann-Whitney); else take it back.

        It must be better than each of what was measured before: how these differ is the noise of the machine.
        """
        found = await asyncio.to_thread(_least, [before, *others], after)
        if found.keep:
            return Settled(kept=True, what=f"{said(change)} stays {change.after:g}: {found.why}", comparison=found)
        await _reverted(changes, context, change)
        return Settled(kept=False, what=f"{said(change)} is {change.before:g} again: {found.why}", comparison=found)


def _telling(agent: Agent, workplace: Workplace) -> None:
    @agent.capability(idempotent=True)
    async def report(name: Name, story: Story, flame_graph: str = "") -> Report:
        """Write what was tried, what came of it and what took the time, as Markdown and JSON."""
        where = f"tuning/{name}"
        text = markdown(name, story, flame_graph)
        await workplace.write("input.name", f"{where}.md", text.encode())
        told = json.dumps(story.model_dump(mode="json"), indent=2)
        await workplace.write("input.name", f"{where}.json", told.encode())
        return Report(markdown=f"{where}.md", json_path=f"{where}.json")


def _least(before: Sequence[Measured], after: Measured) -> Comparison:
    """What the least favourable of several measurements from before a change says of it."""
    return min((compared(one.sample, after.sample) for one in before), key=lambda said: (said.keep, said.gain))


async def _made(changes: MeshChanges, context: Context, change: Change, value: float) -> None:
    if change.setting == "limit":
        burst = min(tunables.MOST_BURST, max(1, change.burst_before, round(value)))
        await changes.set_limit(terms_of(context), _key(change), Rate(value, burst))
        return
    descriptor, _ = changes.agent(change.agent)
    number: object = int(value) if float(value).is_integer() else value
    config: Mapping[str, object] = {**descriptor.config, change.name: number}
    await changes.update_agent(terms_of(context), change.agent, {"config": config})


async def _reverted(changes: MeshChanges, context: Context, change: Change) -> None:
    """Have it as it was; a value that the change does not know to have been there is none that it may bring."""
    descriptor, _ = changes.agent(change.agent)
    if change.setting == "limit" and not change.was_set:
        await changes.reset_limit(terms_of(context), _key(change))
    elif change.setting == "limit":
        await changes.set_limit(terms_of(context), _key(change), Rate(change.before, max(1, change.burst_before)))
    elif change.name not in tunables.declared(descriptor.config):
        raise InvalidInput("input.change.name", f"{change.agent!r} does not declare {change.name!r} as tunable")
    else:
        await _made(changes, context, change, change.before)


def _key(change: Change) -> LimitKey:
    return LimitKey(agent=change.agent, capability=change.capability)
