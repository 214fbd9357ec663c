"""`audit`: what happened, what happens, and whether the record of it is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.failures import FAILED
from a2a_node.cli.options import option
from a2a_node.model.audit import AuditDecision, AuditFilter, AuditOutcome

if TYPE_CHECKING:
    from a2a_node.client.audit import EventGap, WatchStarted, Witnessed
    from a2a_node.model.audit import AuditEvent

audit = group("audit", "What happened: list, watch, verify.")


class EventsWanted(TypedDict, total=False):
    """Which events; what is absent is not looked at."""

    action: str
    user_id: str
    agent_id: str
    server_id: str
    node_id: str
    decision: AuditDecision
    outcome: AuditOutcome
    trace_id: str
    call_id: str


FILTERS = (
    option("action", str | None, help="Only this action, such as `session:create`, or `access:*`."),
    option("user_id", str | None, "--user", help="Only in the name of this principal."),
    option("agent_id", str | None, "--agent", help="Only what this agent did, or was called for."),
    option("server_id", str | None, "--server", help="Only of this MCP server."),
    option("node_id", str | None, "--node", help="Only what this node recorded."),
    option("decision", AuditDecision | None, help="Only what was decided so."),
    option("outcome", AuditOutcome | None, help="Only what ended so."),
    option("trace_id", str | None, "--trace", help="Only of this trace."),
    option("call_id", str | None, "--call", help="Only of this call."),
)
Since = Annotated[datetime | None, typer.Option(help="Only from this time on, in UTC.")]
Until = Annotated[datetime | None, typer.Option(help="Only before this time, in UTC.")]
Node = Annotated[str, typer.Option("--node", help="Only the chain of this node.", show_default="all chains")]


@audit.command("list")
@asks_mesh(*FILTERS)
async def list_events(
    desk: Desk,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    **only: Unpack[EventsWanted],
) -> None:
    """List events, the newest first."""
    found: list[AuditEvent] = []
    async for event in desk.mesh.audit.list(AuditFilter(**only), start=_utc(since), end=_utc(until)):
        found.append(event)
        if len(found) == limit:
            break
    desk.screen.table(found, [_row(event) for event in found])


@audit.command("watch")
@asks_mesh(*FILTERS)
async def watch(
    desk: Desk,
    after: Annotated[str, typer.Option(help="Begin after this cursor.", show_default="the next event")] = "",
    **only: Unpack[EventsWanted],
) -> None:
    """Follow events of all nodes until interrupted, one a line; with --json each has the cursor to come back to."""
    async for told in desk.mesh.audit.watch(AuditFilter(**only), after):
        _say(desk, told)


@audit.command("verify")
@asks_mesh()
async def verify(desk: Desk, node: Node = "", since: Since = None, until: Until = None) -> None:
    """Compute the chains of events again; exit code 1 where one was changed, removed or inserted."""
    found = await desk.mesh.audit.verify(node, start=_utc(since), end=_utc(until))
    read = f"{found.events} events in {found.chains} chains"
    breaks = [f"{one.node_id} event {one.sequence}: {one.explanation}" for one in found.breaks]
    desk.screen.document(found, "\n".join([f"broken, of {read}", *breaks] if breaks else [f"intact: {read}"]))
    if not found.intact:
        raise typer.Exit(FAILED)


def _say(desk: Desk, told: WatchStarted | Witnessed | EventGap) -> None:
    from a2a_node.client.audit import EventGap, Witnessed  # noqa: PLC0415 - slow to import, and loaded by now

    if isinstance(told, Witnessed):
        desk.screen.line({"kind": "event", "cursor": told.cursor, "event": told.event}, _line(told.event))
    elif isinstance(told, EventGap):
        words = f"events {told.first_sequence} to {told.last_sequence} of {told.node_id} are no longer kept"
        desk.screen.line({"kind": "gap", "gap": told}, words)
    elif desk.screen.as_json:
        desk.screen.line({"kind": "started", "cursor": told.cursor})


def _row(event: AuditEvent) -> dict[str, object]:
    fact = event.fact
    return {
        "time": f"{fact.timestamp:%Y-%m-%d %H:%M:%S}",
        "node": f"{event.node_id} {event.sequence}",
        "action": fact.action,
        "target": fact.target,
        "who": fact.user_id or "nobody",
        "from": fact.ip_address,
        "outcome": fact.reason or fact.outcome.value,
        "more": " ".join(f"{name}={value}" for name, value in fact.metadata.items()),
    }


def _line(event: AuditEvent) -> str:
    row = _row(event)
    return " ".join(str(value) for value in row.values() if value)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None else None
