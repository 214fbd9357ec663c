"""What a wrong key costs all layers: `python -m tests.bench.wrong_keys DIRECTORY`, on the stores of the environment.

Prints a JSON object: microseconds of CPU for a key that nobody has, and for a token that was refused before.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import thread_time
from unittest.mock import patch

import uvloop

from a2a_node.model.call import Proceed, folded
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.keys import fresh_key
from a2a_node.node import identities
from a2a_node.pipeline.auth import Gate
from a2a_node.pipeline.wrong_keys import Manners, WrongKeys
from tests.bench.layers import asked, layers_of, nothing

CALLS, SAMPLES = 200, 20
PATIENT = Manners(burst=1_000_000_000)
TOKEN = "eyJhbGciOiJFZERTQSIsImtpZCI6IngifQ.eyJpc3MiOiJhMmFtZXNoIn0.x"


async def main(directory: Path) -> None:
    """Measure a node that is built as every node is, but that slows nobody down."""
    with patch.object(identities, "Gate", partial(Gate, wrong_keys=WrongKeys(PATIENT))):
        await measured(directory)


async def measured(directory: Path) -> None:
    """Refuse, and tell what it took."""
    async with layers_of(directory) as (_, layers):
        incoming = folded([layer for layer in layers if "resolve" not in layer.__qualname__], nothing)
        seen = {
            "key_us": min([await refusals(incoming, [fresh_key()[1] for _ in range(CALLS)]) for _ in range(SAMPLES)]),
            "token_us": min([await refusals(incoming, [TOKEN] * CALLS) for _ in range(SAMPLES)]),
        }
    print(json.dumps(seen))  # noqa: T201 - whoever started it reads it


async def refusals(proceed: Proceed, keys: list[str]) -> float:
    """Microseconds of CPU for a call with a wrong key."""
    made = [asked(key) for key in keys]
    began = thread_time()
    for call in made:
        with suppress(Unauthenticated):
            await proceed(call)
    return (thread_time() - began) / CALLS * 1e6


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
