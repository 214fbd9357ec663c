"""The agent under load, in a process of its own: `python -m tests.chaos.agents COPY ADDRESS LEDGER`.

Whatever it works on is a line of the ledger before anything else happens, so that work that is done again can be seen
also when its process or its node dies in the middle. A line is: number, execution, seconds of the machine's clock. An
event of a stream is one once the agent has given it away, its own number in place of an execution.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from time import monotonic
from uuid import uuid4

from a2a_node.agent import Agent
from a2a_node.attach import attached
from tests.ample import AMPLE

RATE, BURST = 20, 20  # of `rationed`, calls a second and at once
WORK = 0.005  # seconds
EVENT = 0.01  # seconds between two events


def steady(copy: str, ledger: int) -> Agent:
    """An agent with copies; `ledger` is a file descriptor that appends."""
    agent = Agent("steady")

    def written(number: str, execution: str) -> None:
        os.write(ledger, f"{number} {execution} {monotonic()}\n".encode())

    @agent.capability(limit=AMPLE)
    async def ask(number: str) -> dict[str, str]:
        execution = uuid4().hex
        written(number, execution)
        await asyncio.sleep(WORK)
        return {"number": number, "execution": execution, "copy": copy}

    @agent.capability(limit=AMPLE)
    async def count(number: str, n: int) -> AsyncIterator[dict[str, int]]:
        for event in range(1, n + 1):
            await asyncio.sleep(EVENT)
            yield {"number": event}
            written(number, str(event))

    @agent.capability(limit=f"{RATE}/s burst {BURST}")
    async def rationed(number: str) -> dict[str, str]:
        written(number, uuid4().hex)
        return {"copy": copy}

    return agent


async def main(copy: str, address: str, file: str) -> None:
    """Serve until killed; prints `ready`."""
    ledger = os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    async with attached(steady(copy, ledger), address):
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for that
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
