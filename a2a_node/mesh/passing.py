"""Calls that are passed through to a gRPC service of an endpoint's own: messages both ways, and nobody reads them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import grpc

from a2a_node.client.sending import put
from a2a_node.mesh.background import background
from a2a_node.mesh.lines import Line
from a2a_node.mesh.telling import spent, time_left, told
from a2a_node.model.call import Call
from a2a_node.model.payload import Payload
from a2a_node.model.proxied import RAW, Proxied
from a2a_node.wire.passing import back

Raw = grpc.aio.StreamStreamCall[bytes, bytes]


async def passed(line: Line, call: Call, proxied: Proxied) -> None:
    """Messages both ways, unread, and the metadata at both ends; nothing is asked of the caller before it goes."""
    entries = (*proxied.said, *told(call))
    rpc = line.raw(call.capability)(timeout=time_left(call), metadata=entries)
    try:
        await rpc.wait_for_connection()
        async with background(partial(_say, rpc, call)):
            await _begin(rpc, proxied)
            async for message in rpc:
                await call.reply(Payload(message, RAW))
        trailing = await rpc.trailing_metadata()
        spent(trailing, call)
        proxied.trailing = back(tuple(trailing or ()))
    finally:
        rpc.cancel()


async def _begin(rpc: Raw, proxied: Proxied) -> None:
    """Pass on what the agent says first, unless it has ended the call with that."""
    initial = await rpc.initial_metadata()
    if not rpc.done():
        await proxied.begin(back(tuple(initial or ())))


async def _say(rpc: Raw, call: Call) -> None:
    """Send the caller's messages, as long as anybody listens, and their end."""
    async for payload in call.requests:
        if not isinstance(payload.body, bytes) or not await put(rpc, payload.body):
            return
    with suppress(grpc.aio.InternalError):  # the agent has ended the call, and whoever reads hears how
        await rpc.done_writing()
