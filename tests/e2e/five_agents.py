"""The Python agents of a chain of five: one for a node to host, and `python -m tests.e2e.five_agents KIND RECEIVER`.

KIND is `attached` or `endpoint`. Each hands a text on as the examples in other languages do, spends of the budget of
its tree, and exports its spans to the receiver.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.tracing import Export, exporting

TOKENS = {"five-hosted": 7, "five-attached": 11, "five-endpoint": 13}  # that each of them uses


def spending_relay(name: str) -> Agent:
    """An agent that hands a text to the next one of a route, and answers with everybody's stop."""
    agent = Agent(name)

    @agent.capability
    async def relay(route: list[str], text: str, context: Context) -> object:
        context.spend("tokens", TOKENS[name])
        stop = {
            "agent": name,
            "language": "python",
            "path": list(context.path),
            "seconds_left": context.time_left(),
        }
        stops: list[object] = []
        if route:
            answer = await context.call(route[0], "relay", {"route": route[1:], "text": text})
            assert isinstance(answer, dict)
            stops = answer["stops"]
        return {"text": text, "stops": [stop, *stops]}

    return agent


hosted = spending_relay("five-hosted")


async def main(kind: str, receiver: str) -> None:
    """Serve until killed; prints `ready`."""
    agent = spending_relay(f"five-{kind}")
    async with exporting(Export(receiver, service=agent.name)), AsyncExitStack() as house:
        if kind == "endpoint":
            await house.enter_async_context(endpoint(agent, await house.enter_async_context(MeshClient())))
        else:
            await house.enter_async_context(attached(agent))
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
