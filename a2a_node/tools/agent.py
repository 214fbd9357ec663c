"""The agent that an MCP server is in the mesh: each of its tools is a capability."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic

import orjson

from a2a_node.agent import Context
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.call import Reply
from a2a_node.model.errors import InvalidInput
from a2a_node.model.payload import EMPTY, JSON, TEXT, Payload
from a2a_node.model.tool_ports import ServerSession
from a2a_node.model.tools import ServerTool
from a2a_node.tools.notes import Notes

CATEGORY = "mcp"
UNKNOWN_VERSION, LONGEST = "0.0.0", 63  # characters of a version
Heard = Callable[[tuple[str, str], str, float], None]  # a server and its tool; ok, error or cancelled; seconds


class ToolAgent:
    """Serves calls with one session of a server; its capabilities are those of the server at any time."""

    def __init__(self, name: str, session: ServerSession, heard: Heard) -> None:
        """`heard` is told of each call that the server has ended, or was to end."""
        self.name = name
        self._session, self._heard = session, heard

    @property
    def descriptor(self) -> AgentDescriptor:
        """The agent as it introduces itself now; a server without tools makes one without capabilities."""
        offered = tuple(_capability(tool) for tool in self._session.tools if not tool.problem)
        return AgentDescriptor(
            self.name,
            self._session.version[:LONGEST] or UNKNOWN_VERSION,
            f"The MCP server {self._server}.",
            CATEGORY,
            capabilities=offered,
        )

    @property
    def _server(self) -> str:
        return self.name.partition(".")[2]

    async def serve(self, capability: str, context: Context, requests: AsyncIterator[Payload], reply: Reply) -> None:
        """Have the tool do one call. Its progress, but to a unary call, comes as outputs of the media type PROGRESS."""
        tool = self._tool(capability)
        asked = await anext(requests, EMPTY)
        given = _given(asked)
        with self._timed(tool):
            if context.unary:
                result = await self._session.call(tool.tool, given)
            else:
                result = await self._told(tool, given, reply)
        await reply(_answer(result, asked))

    async def _told(self, tool: ServerTool, given: Mapping[str, object], reply: Reply) -> object:
        notes = Notes()
        work = asyncio.create_task(self._session.call(tool.tool, given, notes.hear))
        work.add_done_callback(lambda _: notes.close())
        try:
            async for note in notes:
                await reply(note)
            return await work
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))

    @contextmanager
    def _timed(self, tool: ServerTool) -> Iterator[None]:
        begun, outcome = monotonic(), "error"
        try:
            yield
            outcome = "ok"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._heard((self._server, tool.capability), outcome, monotonic() - begun)

    def _tool(self, capability: str) -> ServerTool:
        name = self.descriptor.capability(capability).name
        return next(tool for tool in self._session.tools if tool.capability == name and not tool.problem)


def _capability(tool: ServerTool) -> AgentCapability:
    return AgentCapability(
        name=tool.capability,
        description=tool.description or tool.title,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema or {},
        idempotent=bool(tool.idempotent or tool.read_only),
    )


def _given(asked: Payload) -> Mapping[str, object]:
    """The arguments in an input; InvalidInput unless it is a JSON object."""
    body = asked.body
    if isinstance(body, Mapping):
        return body
    if isinstance(body, bytes) and asked.media_type == JSON:
        try:
            read = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError as error:
            raise InvalidInput("input", f"is no JSON: {error}") from None
        if isinstance(read, dict):
            return read
    raise InvalidInput("input", "must be a JSON object: the arguments of the tool by name")


def _answer(result: object, asked: Payload) -> Payload:
    """A text as text; an object in the encoding that was asked in."""
    if isinstance(result, str):
        return Payload(result, TEXT)
    if isinstance(asked.body, bytes) or not isinstance(result, Mapping):
        return Payload(orjson.dumps(result))
    return Payload(result)
