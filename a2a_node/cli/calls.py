"""`call` and `stream`: agents called from a terminal."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.inputs import Given, given, given_budget
from a2a_node.cli.options import option

if TYPE_CHECKING:
    from a2a_node.client import CallOptions

AgentName = Annotated[str, typer.Argument(help="The agent's name.", metavar="AGENT")]
CapabilityName = Annotated[str, typer.Argument(help="The name of one of its capabilities.", metavar="CAPABILITY")]

TIMEOUT = option("timeout", float | None, help="Seconds that the call may take.", show_default="what the node gives")
CALL_ID = option("call_id", str | None, help="A UUID of your own for the call.", show_default="one is made")
IDEMPOTENCY_KEY = option(
    "idempotency_key", str | None, help="Makes the call safe to repeat: the first outcome is given again."
)
BUDGET = Parameter(
    "budget",
    Parameter.KEYWORD_ONLY,
    default=typer.Option(
        None,
        parser=given_budget,
        metavar="UNIT=AMOUNT,…",
        help="What the call and all that it leads to may use, for example calls=10,tokens=5000.",
    ),
    annotation=dict,
)
CALL_OPTIONS = (TIMEOUT, IDEMPOTENCY_KEY, CALL_ID, BUDGET)


@asks_mesh(*CALL_OPTIONS)
async def call(
    desk: Desk, agent: AgentName, capability: CapabilityName, value: Given = "{}", **options: Unpack[CallOptions]
) -> None:
    """Call an agent and print its answer."""
    desk.screen.document(await desk.mesh.call(agent, capability, given(value), **options))


@asks_mesh(*CALL_OPTIONS)
async def stream(
    desk: Desk, agent: AgentName, capability: CapabilityName, value: Given = "{}", **options: Unpack[CallOptions]
) -> None:
    """Call an agent and print its answers as they come, one a line."""
    async for output in desk.mesh.stream(agent, capability, given(value), **options):
        desk.screen.line(output)
