"""`agents`: who may be called, where they run, and whether they are switched on."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.options import option

if TYPE_CHECKING:
    from a2a_node.client import AgentChange, AgentEntry
    from a2a_node.client.agents import AgentFilter

agents = group("agents", "Agents of the mesh: list, show, watch, enable, disable.")
Name = Annotated[str, typer.Argument(help="The agent's name.")]

FILTERS = (
    option("category", str | None, help="Only of this category."),
    option("tag", str | None, help="Only with this tag."),
    option("capability", str | None, help="Only with a capability of this name."),
    option("node_id", str | None, "--node", help="Only with an instance on this node."),
    option("enabled", bool | None, "--enabled/--disabled", help="Only those switched on, or off."),
)


@agents.command("list")
@asks_mesh(*FILTERS)
async def list_agents(desk: Desk, **only: Unpack[AgentFilter]) -> None:
    """List agents by name."""
    entries = [entry async for entry in desk.mesh.agents.list(**only)]
    desk.screen.table([described(entry) for entry in entries], [_row(entry) for entry in entries])


@agents.command("show")
@asks_mesh()
async def show_agent(desk: Desk, name: Name) -> None:
    """Show all that is known of an agent, the schemas of its capabilities included."""
    desk.screen.document(described(await desk.mesh.agents.get(name)))


@agents.command("watch")
@asks_mesh()
async def watch_agents(
    desk: Desk, after: Annotated[int, typer.Option(help="Only what changed after this revision.")] = 0
) -> None:
    """Follow agents as they come, change and go, until interrupted."""
    async for change in desk.mesh.agents.watch(after):
        entry = None if change.entry is None else described(change.entry)
        event = {"revision": change.revision, "kind": change.kind, "name": change.name, "agent": entry}
        desk.screen.line(event, _sentence(change))


@agents.command("enable")
@asks_mesh()
async def enable_agent(desk: Desk, name: Name) -> None:
    """Switch an agent on: it can be called again."""
    desk.screen.document(described(await desk.mesh.agents.update(name, enabled=True)), f"{name} is enabled")


@agents.command("disable")
@asks_mesh()
async def disable_agent(desk: Desk, name: Name) -> None:
    """Switch an agent off: it stays listed and is not called."""
    desk.screen.document(described(await desk.mesh.agents.update(name, enabled=False)), f"{name} is disabled")


def described(entry: AgentEntry) -> dict[str, object]:
    """All that is known of an agent, in one object without layers."""
    own = {field.name: getattr(entry.agent, field.name) for field in fields(entry.agent) if field.name != "descriptor"}
    said = {field.name: getattr(entry.agent.descriptor, field.name) for field in fields(entry.agent.descriptor)}
    return {**said, **own, "instances": entry.instances}


def _row(entry: AgentEntry) -> dict[str, object]:
    agent = entry.agent
    return {
        "name": agent.name,
        "version": agent.descriptor.version,
        "enabled": "yes" if agent.enabled else "no",
        "category": agent.descriptor.category,
        "capabilities": ", ".join(capability.name for capability in agent.descriptor.capabilities),
        "instances": ", ".join(f"{instance.kind}@{instance.node}" for instance in entry.instances) or "none",
    }


def _sentence(change: AgentChange) -> str:
    if change.entry is None:
        return f"{change.revision}  {change.kind}  {change.name}".rstrip()
    state = "enabled" if change.entry.agent.enabled else "disabled"
    return f"{change.revision}  agent  {change.name}  {state}  {len(change.entry.instances)} instances"
