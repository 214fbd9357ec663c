"""One session with an MCP server: it is opened, asked, and over once; nothing of it outlives its block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import TypeAlias

from mcp import ClientSession, MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import Implementation

from a2a_node.model.errors import AgentLost, AgentProtocol, MeshError
from a2a_node.model.tool_ports import Progress
from a2a_node.model.tools import AGENT_PREFIX, ServerConfig, ServerTool
from a2a_node.tools.asking import Asking
from a2a_node.tools.listing import Listing
from a2a_node.tools.masking import masking, values_of
from a2a_node.tools.opening import Rules
from a2a_node.tools.reading import READINGS
from a2a_node.tools.results import answer, checked_size, read
from a2a_node.tools.transports import Ends, Streams, transport

STARTING = 30.0  # seconds for a server to say who it is and what it offers
LEAST = 4 * 1024 * 1024  # bytes of a message that is read in any case, so that a small limit of results hides no tools
OVERHEAD = 4096  # bytes of a message around its result
Grace: TypeAlias = "Callable[[], float]"  # seconds
Log: TypeAlias = "Callable[[str], None]"


class McpSession:
    """A session that runs, made by `opened`. Its calls fail with AgentLost as soon as it is over, whatever ended it."""

    def __init__(self, server_id: str, config: ServerConfig, rules: Rules, log: Log) -> None:
        self._agent = f"{AGENT_PREFIX}{server_id}"
        self._id, self._config, self._rules = server_id, config, rules
        self._most = min(config.max_result_bytes or rules.payload_limit, rules.payload_limit)
        self._ends = Ends(log, masking(values_of(config.transport)))
        self._ready = asyncio.Event()
        self._leave = asyncio.Event()
        self._asking: Asking | None = None
        self._listing, self._version = Listing(), ""

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, rules: Rules, server_id: str, config: ServerConfig, grace: Grace, log: Log
    ) -> AsyncIterator[McpSession]:
        """Start the server, or connect to it, and shake hands; as `OpenSession` says."""
        session = cls(server_id, config, rules, log)
        work = asyncio.create_task(session._run(grace), name=f"mcp {server_id}")
        try:
            await session._begun(work)
            yield session
        finally:
            session._leave.set()
            if not session._ready.is_set():
                work.cancel()  # it waits for a server that says nothing
            await _over(work)

    @property
    def version(self) -> str:
        """The server's version by its own word."""
        return self._version

    @property
    def tools(self) -> Sequence[ServerTool]:
        """What it offers now."""
        return self._listing.tools

    async def ping(self) -> None:
        """Ask whether it lives; AgentLost, AgentProtocol."""
        await self._asked().ask("ping", {})

    async def closed(self) -> str:
        """Wait until it is over; why, in words for people."""
        return await self._ends.reason()

    async def changed(self) -> None:
        """Wait until its tools have changed."""
        await self._listing.changed()

    async def call(self, tool: str, given: Mapping[str, object], progress: Progress | None = None) -> object:
        """Call a tool by the server's own name; its result as JSON: an object, or a text.

        AgentLost, AgentFailed with the tool's own words, InvalidInput, PayloadTooLarge, DeadlineExceeded. A task that
        is cancelled here is cancelled there.
        """
        timeout = self._config.call_timeout or None
        if tool in READINGS:
            return read(checked_size(await self._asked().ask(tool, given, progress, timeout), self._most))
        said = {"name": tool, "arguments": given}
        result = await self._asked().ask("tools/call", said, progress, timeout)
        return answer(self._agent, tool, checked_size(result, self._most), self._ends.mask)

    def _asked(self) -> Asking:
        if self._asking is None:
            raise AgentLost(self._agent, self._id)
        return self._asking

    async def _begun(self, work: asyncio.Task[None]) -> None:
        """Wait until it is ready; what kept it from that otherwise."""
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((ready, work), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if work.done():
            await work
            raise AgentProtocol(self._agent, f"it ended before it was ready: {await self._ends.reason()}")

    async def _run(self, grace: Grace) -> None:
        """The whole session, in a task of its own: the SDK's scopes never meet those of whoever opened it."""
        most = max(self._most + OVERHEAD, LEAST)
        try:
            async with AsyncExitStack() as house:
                streams = await house.enter_async_context(
                    transport(self._id, self._config, (self._rules.folder, most), grace, self._ends)
                )
                await self._converse(streams)
        except Exception as failures:  # noqa: BLE001 - the SDK and its libraries have many, and groups of them
            failure = _first(failures)
            said = self._ends.mask(str(failure) or type(failure).__name__)
            self._ends.over(said)
            if isinstance(failure, MeshError | OSError):
                raise failure from None
            raise AgentProtocol(self._agent, said) from None
        finally:
            self._asking = None
            self._ends.over("")

    async def _converse(self, streams: Streams) -> None:
        dispatcher = JSONRPCDispatcher(*streams)
        client = ClientSession(
            dispatcher=dispatcher,
            message_handler=self._listing.hear,
            logging_callback=self._listing.logged(self._ends.log),
            client_info=Implementation(name="a2a-node", version=version("a2a-node")),
        )
        async with client:
            asking = Asking(self._agent, self._id, dispatcher, self._ends)
            await self._greeted(client, asking)
            self._asking = asking
            self._ready.set()
            async with self._listing.following(asking, client.server_capabilities, self._ends.log):
                await self._ends.either(self._leave)

    async def _greeted(self, client: ClientSession, asking: Asking) -> None:
        try:
            async with asyncio.timeout(STARTING):
                self._version = (await client.initialize()).server_info.version
                await self._listing.list(asking, client.server_capabilities, self._ends.log)
        except TimeoutError:
            raise AgentProtocol(self._agent, f"it did not introduce itself within {STARTING:g} s") from None
        except (MCPError, RuntimeError, ValueError) as error:
            why = await self._ends.reason_within(1.0) or str(error)
            raise AgentProtocol(self._agent, self._ends.mask(f"it did not introduce itself: {why}")) from None


async def _over(work: asyncio.Task[None]) -> None:
    """Wait until a task is over, also when whoever waits is cancelled meanwhile: the grace of its server bounds it."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            cancelled = True
    if not work.cancelled():
        work.exception()  # `closed` has told it
    if cancelled:
        raise asyncio.CancelledError


def _first(failure: Exception) -> Exception:
    """What happened, out of the groups around it."""
    return _first(failure.exceptions[0]) if isinstance(failure, ExceptionGroup) else failure
