"""The agents under load, each in a process of its own: `python -m tests.bench.agents attached|endpoint ADDRESS`."""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint


def echo(name: str) -> Agent:
    """An agent that answers its text."""
    agent = Agent(name, version="1.0.0")

    @agent.capability(limit="100000/s burst 100000")
    async def say(text: str) -> dict[str, str]:
        return {"text": text}

    return agent


async def main(kind: str, address: str) -> None:
    """Serve until killed; prints `ready`."""
    async with MeshClient(address) as mesh:
        agent = echo(f"bench-{kind}")
        async with attached(agent, address) if kind == "attached" else endpoint(agent, mesh):
            print("ready", flush=True)  # noqa: T201 - the parent waits for it
            await asyncio.Event().wait()


if __name__ == "__main__":
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    uvloop.run(main(sys.argv[1], sys.argv[2]))
