"""Holds the data directory named on the command line, prints where its stores answer, and waits to be ended.

It runs on uvloop, as a node does.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import uvloop

from a2a_node.store.embedded import embedded, held


async def main() -> None:
    """Run the stores until standard input ends."""
    with held(Path(sys.argv[1])) as directory:
        async with embedded(directory) as addresses:
            print(json.dumps(asdict(addresses)), flush=True)  # noqa: T201
            await asyncio.to_thread(sys.stdin.read)


uvloop.run(main())
