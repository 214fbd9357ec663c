"""Stores to start a node on: `python -m tests.bench.stores DIRECTORY FILE` writes their URLs to the file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from a2a_node.store.embedded import embedded, held


async def main(directory: Path, file: Path) -> None:
    """Run them until SIGTERM; prints `ready`."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    with held(directory) as data:
        async with embedded(data) as stores:
            descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(f"{stores.postgres_url}\n{stores.redis_url}\n")
            print("ready", flush=True)  # noqa: T201 - the parent waits for it
            await told.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
