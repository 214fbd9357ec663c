"""The transport to a child process: one JSON message a line, in bounded memory, whatever else it prints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter

from a2a_node.tools.child import Child
from a2a_node.tools.lines import TooLong, lines

TOO_LARGE = -32_099  # our own code of an answer that was not read; a server's codes are never told apart by it alone
AHEAD = 64  # messages that wait for a server that does not read
IN_THREAD = 1024 * 1024  # bytes of a message from which it is read beside the loop
GARBAGE = 200  # characters that are told of a line that is no message
Told = Callable[[str], None]


@asynccontextmanager
async def spoken(child: Child, most: int, told: Told, over: Told) -> AsyncIterator[TransportStreams]:
    """Both directions to a process; `told` hears what is no message, `over` why nothing more will come."""
    inward, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, outward = anyio.create_memory_object_stream[SessionMessage](AHEAD)
    listening = asyncio.create_task(_listen(child, most, inward, (told, over)))
    speaking = asyncio.create_task(_speak(child, outward))
    try:
        yield read, write
    finally:
        for task in (listening, speaking):
            task.cancel()
        await asyncio.wait((listening, speaking))
        for stream in (inward, read, write, outward):
            stream.close()


async def _listen(
    child: Child, most: int, inward: MemoryObjectSendStream[SessionMessage | Exception], heard: tuple[Told, Told]
) -> None:
    told, over = heard
    reason = ""
    try:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
            async for line in lines(child.output, most):
                message = _cut(line, most) if isinstance(line, TooLong) else await _read(line)
                if message is not None:
                    await inward.send(SessionMessage(message))
                elif isinstance(line, TooLong):
                    reason = f"sent a message of {line.size:,} bytes, of which nobody knows what it answers"
                    return
                elif line.strip():
                    told(f"no MCP message on its standard output: {line[:GARBAGE].decode(errors='replace')}")
    finally:
        over(reason)
        inward.close()  # so that all calls under way fail at once


async def _read(line: bytes) -> JSONRPCMessage | None:
    """The message of a line; None when it is none."""
    try:
        if len(line) < IN_THREAD:
            return jsonrpc_message_adapter.validate_json(line, by_name=False)
        return await asyncio.to_thread(jsonrpc_message_adapter.validate_json, line, by_name=False)
    except ValueError:
        return None


def _cut(line: TooLong, most: int) -> JSONRPCMessage | None:
    """What stands for an answer that is too long; None when nobody knows what it answers."""
    answered = line.answers()
    if answered is None:
        return None
    error = ErrorData(code=TOO_LARGE, message="too large", data={"size": line.size, "limit": most})
    return JSONRPCError(jsonrpc="2.0", id=answered, error=error)


async def _speak(child: Child, outward: MemoryObjectReceiveStream[SessionMessage]) -> None:
    with suppress(OSError, anyio.ClosedResourceError):  # it has gone, which `_listen` hears
        async for said in outward:
            child.input.write(said.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await child.input.drain()
