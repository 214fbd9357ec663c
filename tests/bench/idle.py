"""Agents that are attached and do nothing: what each costs the node, beside a bare server with as many open streams.

`python -m tests.bench.idle ADDRESS METHOD COUNT KEY_FILE` opens them, each over a connection of its own as separate
agents have, and holds them until it is ended; it prints `ready` once each has had an answer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import grpc
import uvloop

from a2a_node.wire.agents import from_descriptor
from a2amesh.v1 import agent_host_service_pb2 as pb
from tests.bench.crowd import agent
from tests.bench.mesh import Places
from tests.bench.processes import python, resident_mb, started
from tests.bench.rows import Row, row
from tests.ports import free_port

ATTACH, HOLD = "/a2amesh.v1.AgentHostService/Attach", "/bare.Echo/Hold"
OPENING = 20  # at a time
ALONE = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
Stream: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"


def idle_row(places: Places, count: int) -> Row:
    """MB for each 1,000 of them."""
    with ExitStack() as house:
        ports = free_port(), free_port()
        key_file = places.home / "idle" / "dev.key"
        servers: Mapping[str, tuple[str, ...]] = {
            ATTACH: places.options("idle", ports[0]),
            HOLD: python("tests.bench.bare", str(ports[1])),
        }
        grown = []
        for (method, command), port in zip(servers.items(), ports, strict=True):
            pid, _ = house.enter_context(started(*command, ready="ready", environ=places.stores))
            before = resident_mb(pid)
            holding = python("tests.bench.idle", f"127.0.0.1:{port}", method, str(count), str(key_file))
            house.enter_context(started(*holding, ready="ready"))
            grown.append((resident_mb(pid) - before) * 1000 / count)
    return row("attached_idle_mb_per_1000", grown[0], "MB", grown[1])


async def main(address: str, method: str, count: int, key: str) -> None:
    """Open the streams and hold them."""
    turns = asyncio.Semaphore(OPENING)

    async def opened(number: int) -> tuple[grpc.aio.Channel, Stream]:
        async with turns:
            channel = grpc.aio.insecure_channel(address, ALONE)
            stream: Stream = channel.stream_stream(method)(metadata=(("authorization", f"Bearer {key}"),))
            hello = pb.AttachHello(agent=from_descriptor(agent(f"idle-{number}")))
            await stream.write(pb.AttachRequest(hello=hello).SerializeToString())
            await stream.read()
            return channel, stream

    held = await asyncio.gather(*map(opened, range(count)))
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    await asyncio.gather(*(answered(stream) for _, stream in held))


async def answered(stream: Stream) -> None:
    """Answer the node's pings until it ends."""
    while frame := await stream.read():
        ping = pb.AttachResponse.FromString(frame).ping if isinstance(frame, bytes) else 0
        await stream.write(pb.AttachRequest(pong=ping).SerializeToString())


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_text().strip()))
