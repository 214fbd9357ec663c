"""The baseline: a bare grpc.aio echo of bytes on uvloop, under the scheduling policy of the node.

`Say` answers one message, `Hold` each one of a stream. With the address of another echo it is a bare relay: it passes
what `Say` gets on to that one, in plain text over one channel, and does nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

import grpc
import uvloop


async def main(port: int, behind: str = "") -> None:
    """Serve until killed; prints `ready`."""
    passed: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] | None = None
    if behind:
        passed = grpc.aio.insecure_channel(behind).unary_unary("/bare.Echo/Say")

    async def echo(request: bytes, _: object) -> bytes:
        return await passed(request) if passed else request

    async def hold(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        async for request in requests:
            await context.write(request)

    say: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo, None, None)
    held: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(hold, None, None)
    server = grpc.aio.server()
    handlers = {"Say": say, "Hold": held}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Echo", handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    await server.wait_for_termination()


if __name__ == "__main__":
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:]))
