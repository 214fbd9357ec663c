"""What limits cost: how often Redis is asked for a key with 100 calls a second, and how long a refusal takes.

`python -m tests.bench.limits DIRECTORY`, on the stores that the environment names, prints a JSON object: trips to
Redis by call, microseconds of CPU that the layers take for a refused call and for an admitted one, and errors.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from time import monotonic, thread_time

import uvloop

from a2a_node.client import MeshClient
from a2a_node.model.call import Proceed, folded
from a2a_node.model.errors import MeshError, RateLimited
from a2a_node.model.limits import LimitKey
from a2a_node.node import Node
from tests.bench.layers import asked, layers_of, nothing, sample

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
RATE = 100.0  # calls a second, the least for which the promise is given
CALLS, SAMPLES = 200, 20
ECHO = LimitKey("person:dev", "echo", "say")


async def main(directory: Path) -> None:
    """Measure a node that is built as every node is."""
    async with layers_of(directory) as (node, layers):
        key = node.key_file.read_text().strip()
        async with MeshClient(node.grpc_address, key) as mesh:
            seen: dict[str, float] = await steady(node, mesh)
            incoming = folded([layer for layer in layers if "resolve" not in layer.__qualname__], nothing)
            seen["call_us"] = min([await sample(incoming, key) for _ in range(SAMPLES)])
            await mesh.limits.set(0.001, 1, ECHO)
            with suppress(RateLimited):
                await incoming(asked(key))
            seen["refusal_us"] = min([await refusals(incoming, key) for _ in range(SAMPLES)])
            await mesh.limits.reset(ECHO)
    print(json.dumps(seen))  # noqa: T201 - the parent reads it


async def steady(node: Node, mesh: MeshClient) -> dict[str, float]:
    """Trips by call, of calls that come evenly, after a second in which leases grow as they need to be."""
    errors = await calls(mesh, 1.0)
    before = await trips(node)
    errors += await calls(mesh, SECONDS)
    return {"trips_per_call": (await trips(node) - before) / (RATE * SECONDS), "errors": errors}


async def calls(mesh: MeshClient, seconds: float) -> int:
    """Call for so long; how many failed."""
    begun, failed = monotonic(), 0
    for number in range(round(RATE * seconds)):
        await asyncio.sleep(max(0.0, begun + number / RATE - monotonic()))
        try:
            await mesh.call("echo", "say", {"text": "x"})
        except MeshError:
            failed += 1
    return failed


async def refusals(proceed: Proceed, key: str) -> float:
    """Microseconds of CPU for a call that comes too fast."""
    made = [asked(key) for _ in range(CALLS)]
    began = thread_time()
    for call in made:
        with suppress(RateLimited):
            await proceed(call)
    return (thread_time() - began) / CALLS * 1e6


async def trips(node: Node) -> float:
    """How often the node has asked Redis for tokens."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{node.http_address}/metrics", timeout=5) as page:
            return str(page.read().decode())

    text = await asyncio.to_thread(read)
    found = re.search(r'^a2a_limit_redis_trips_total\{agent="echo"\} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
