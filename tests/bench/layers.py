"""What each layer costs: the node's own layers, folded one after the other around a leaf that does nothing.

`python -m tests.bench.layers DIRECTORY`, on the stores that the environment names, prints a JSON object of
microseconds a call by layer, the node's data in the directory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import thread_time
from unittest.mock import patch

import uvloop

from a2a_node.agent import Payload
from a2a_node.model.call import Call, Layer, Once, Proceed, folded
from a2a_node.model.names import fresh_uuid
from a2a_node.node import Node, running
from a2a_node.node import layers as built
from a2a_node.settings import Settings

CALLS = 200  # of one sample
SAMPLES = 60  # of each layer, in turns; the least disturbed one counts
SAID = Payload(b'{"text":"hello, hello, hello"}')


async def main(directory: Path) -> None:
    """Measure a node that is built as every node is."""
    async with layers_of(directory) as (node, layers):
        key = node.key_file.read_text().strip()
        folds = [folded(layers[:count], nothing) for count in range(len(layers) + 1)]
        costs = [float("inf")] * len(folds)
        for _ in range(SAMPLES):
            for number, fold in enumerate(folds):
                costs[number] = min(costs[number], await sample(fold, key))
                await asyncio.sleep(0.001)  # what the layers leave to be done later is done now
    names = [name_of(layer) for layer in layers]
    shares = {name: after - before for name, before, after in zip(names, costs, costs[1:], strict=False)}
    print(json.dumps({**shares, "all": costs[-1] - costs[0]}))  # noqa: T201 - the parent reads it


@asynccontextmanager
async def layers_of(directory: Path) -> AsyncIterator[tuple[Node, Sequence[Layer]]]:
    """A node that runs, and its layers, incoming and outgoing."""
    lists: dict[str, Sequence[Layer]] = {}

    def remembered(layers: Sequence[Layer], leaf: Proceed) -> Proceed:
        lists[sys._getframe(1).f_code.co_name] = layers  # noqa: SLF001 - `incoming`, `outgoing`
        return folded(layers, leaf)

    settings = Settings.model_validate({"data_dir": directory, "grpc_port": 0, "peer_port": 0, "http_port": 0})
    stores = settings.postgres_url.get_secret_value(), settings.redis_url.get_secret_value()
    with patch.object(built, "folded", remembered):
        async with running(settings, *stores) as node:
            yield node, [*lists["incoming"], *lists["outgoing"]]


async def sample(proceed: Proceed, key: str) -> float:
    """Microseconds of CPU that a call takes; others on the machine do not count."""
    calls = [asked(key) for _ in range(CALLS)]
    began = thread_time()
    for call in calls:
        await proceed(call)
    return (thread_time() - began) / CALLS * 1e6


def asked(key: str) -> Call:
    """A call of the node's own echo, as it comes out of the server."""
    return Call(
        method="/a2amesh.v1.AgentService/Invoke",
        rest=nothing,
        metadata={"authorization": f"Bearer {key}", "user-agent": "bench"},
        unary=True,
        id=fresh_uuid(),
        agent="echo",
        capability="say",
        payload_bytes=30,
        requests=Once(SAID),
    )


async def nothing(_: Call) -> None:
    """The leaf."""


def name_of(layer: Layer) -> str:
    """What a layer is called: the function that made it, or the object that it belongs to."""
    return layer.__qualname__.partition(".")[0].lower()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
