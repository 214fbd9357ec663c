"""An agent without a port of its own: it dials the node and serves calls over that one stream."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

from relay import relay_agent

from a2a_node.attach import Place, attach


async def main() -> None:
    """Serve until told to stop, then let running calls end; a node that is away is dialled again and again."""
    agent = relay_agent("relay-python")

    def ready(place: Place) -> None:
        print(f"attached {agent.name} to {place.node_id}", flush=True)

    serving = asyncio.create_task(attach(agent, ready=ready))
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    asyncio.run(main())
