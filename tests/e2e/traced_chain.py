"""Agents of a traced chain: one for a node to host, and `python -m tests.e2e.traced_chain RECEIVER` with two more.

Of those one is attached and one has an address of its own; both export what they do to the same receiver.
"""

from __future__ import annotations

import asyncio
import sys

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.tracing import Export, exporting, traced


def relaying(name: str) -> Agent:
    """An agent that hands a text to the next one of a route."""
    agent = Agent(name)

    @agent.capability
    async def relay(route: list[str], text: str, context: Context) -> object:
        return await passed(route, text, context)

    return agent


@traced(name="passed")
async def passed(route: list[str], text: str, context: Context) -> object:
    """A function of the application, in which it calls the next agent."""
    return (
        await context.call(route[0], "relay", {"route": route[1:], "text": text})
        if route
        else {"text": text, "stops": []}
    )


hosted = relaying("traced-hosted")


async def main(receiver: str) -> None:
    """Serve until killed; prints `ready`."""
    export = Export(receiver, service="traced-agents")
    async with (
        exporting(export),
        MeshClient() as mesh,
        attached(relaying("traced-attached")),
        endpoint(relaying("traced-endpoint"), mesh),
    ):
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
