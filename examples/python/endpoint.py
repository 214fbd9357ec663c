"""An agent with an address of its own: it serves AgentService there, registers the address and keeps its lease."""

from __future__ import annotations

import asyncio
import signal

from relay import relay_agent

from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint


async def main() -> None:
    """Serve until told to stop."""
    told, agent = asyncio.Event(), relay_agent("relay-endpoint")
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, told.set)
    async with MeshClient() as mesh, endpoint(agent, mesh) as address:
        print(f"registered {agent.name} at {address}", flush=True)
        await told.wait()


if __name__ == "__main__":
    asyncio.run(main())
