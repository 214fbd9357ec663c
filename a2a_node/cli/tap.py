"""`tap`: the calls of a node, live."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.options import option
from a2a_node.model.audit import AuditOutcome
from a2a_node.model.tap import EndedCall, TapFilter

if TYPE_CHECKING:
    from a2a_node.client.audit import CallsMissed, TapStarted

COLOURS = {
    AuditOutcome.SUCCEEDED: typer.colors.GREEN,
    AuditOutcome.FAILED: typer.colors.RED,
    AuditOutcome.CANCELLED: typer.colors.YELLOW,
    AuditOutcome.REFUSED: typer.colors.MAGENTA,
}


class _Column(NamedTuple):
    """The head of a column, and how wide it is; the last one is as wide as it needs."""

    head: str
    width: int


COLUMNS = (
    _Column("time", 12),
    _Column("principal", 20),
    _Column("agent", 16),
    _Column("capability", 16),
    _Column("ms", 9),
    _Column("status", 12),
)


class CallsWanted(TypedDict, total=False):
    """Which calls; what is absent is not looked at."""

    agent: str
    capability: str
    user_id: str
    outcome: AuditOutcome
    all_rpcs: bool


@asks_mesh(
    option("agent", str | None, help="Only calls of this agent."),
    option("capability", str | None, help="Only calls of this capability."),
    option("user_id", str | None, "--user", help="Only in the name of this principal, such as person:ada."),
    option("outcome", AuditOutcome | None, help="Only those that ended so."),
    option("all_rpcs", bool | None, "--all", help="Every RPC, not calls of agents alone."),
)
async def tap(desk: Desk, **only: Unpack[CallsWanted]) -> None:
    """Show the calls of a node as they end, until interrupted: who called what, how it ended, and how long it took."""
    async for told in desk.mesh.audit.tap(TapFilter(**only)):
        _say(desk, told)


def _say(desk: Desk, told: TapStarted | EndedCall | CallsMissed) -> None:
    from a2a_node.client.audit import TapStarted  # noqa: PLC0415 - slow to import, and loaded by now

    if isinstance(told, EndedCall):
        desk.screen.line({"kind": "call", **_document(told)}, _shown(told))
    elif isinstance(told, TapStarted):
        heads = "".join(f"{column.head:<{column.width}} " for column in COLUMNS).rstrip()
        desk.screen.line(
            {"kind": "started", "node_id": told.node_id}, typer.style(heads, bold=True) if _tty() else heads
        )
    else:
        desk.screen.line({"kind": "missed", "calls": told.calls}, f"{told.calls} calls were missed")


def _document(call: EndedCall) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(call, name) for name in EndedCall.__slots__}
    return {**fields, "outcome": call.outcome.value}


def _shown(call: EndedCall) -> str:
    """The columns of a call; a name that is too long pushes the rest of its line aside rather than being cut."""
    at = datetime.fromtimestamp(call.ended_at).astimezone().isoformat(timespec="milliseconds")[11:23]
    who, way = call.principal or "nobody", f"  {' > '.join(call.call_path)}" if call.call_path else ""
    what = (call.agent, call.capability or "-") if call.agent else tuple(call.method.rpartition(".")[2].split("/"))
    cells = (at, who, *what, f"{call.seconds * 1000:.1f}".rjust(COLUMNS[4].width))
    line = " ".join(f"{cell:<{column.width}}" for cell, column in zip(cells, COLUMNS, strict=False))
    status = f"{call.reason or call.outcome.value}"
    return f"{line} {typer.style(status, fg=COLOURS[call.outcome]) if _tty() else status}{way}"


def _tty() -> bool:
    return sys.stdout.isatty()
