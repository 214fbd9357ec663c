"""What a worker says to its node through the pipe between them: that it is ready, and what became of runs there."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

import orjson

READY = b"ready\n"
EVERY = 1.0  # seconds between two lines: what a worker that is killed had counted since is lost


def say(line: bytes) -> None:
    """Say a line to the node."""
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def tell(came: Counter[str]) -> None:
    """Hand the counts over, where there are any."""
    if came:
        say(orjson.dumps(came) + b"\n")
        came.clear()


async def telling(came: Counter[str]) -> None:
    """Hand the counts over every now and then, for ever."""
    while True:
        await asyncio.sleep(EVERY)
        tell(came)


def told(line: bytes) -> dict[str, int]:
    """The counts of a line."""
    counts: dict[str, int] = orjson.loads(line)
    return counts
