"""Somebody who sends wrong keys as fast as can be: `python -m tests.e2e.wrong_keys ADDRESS`; prints how that went."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from itertools import count

import grpc

from a2a_node.model.keys import fresh_key

AT_ONCE, CHANNELS = 400, 8
INVOKE = "/a2amesh.v1.AgentService/Invoke"


async def flood(address: str, outcomes: Counter[str]) -> None:
    """Send until cancelled."""
    numbers = count()

    async def sender(channel: grpc.aio.Channel) -> None:
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(INVOKE, None, None)
        while True:
            key = fresh_key()[1] if next(numbers) % 2 else f"e30.e30.{next(numbers)}"
            try:
                await rpc(b"", metadata=(("authorization", f"Bearer {key}"),))
            except grpc.aio.AioRpcError as refusal:
                outcomes[refusal.code().name] += 1

    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(CHANNELS)]
    await asyncio.gather(*(sender(channels[number % CHANNELS]) for number in range(AT_ONCE)))


async def main(address: str) -> None:
    """Flood until a line comes on standard input."""
    outcomes: Counter[str] = Counter()
    flooding = asyncio.create_task(flood(address, outcomes))
    print("flooding", flush=True)  # noqa: T201 - the parent waits for it
    await asyncio.to_thread(sys.stdin.readline)
    flooding.cancel()
    print(json.dumps(outcomes), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
