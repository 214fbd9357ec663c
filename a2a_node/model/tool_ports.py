"""What the rooms around MCP servers need of each other, said as Protocols; `node/` introduces them.

The supervisor (room `tools`) takes servers from the store, opens a session with each, and offers it on the stage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from a2a_node.model.servers import HealthStatus, Server, ServerFilter, ServerStatus, Wish
from a2a_node.model.tools import ServerConfig, ServerTool

Progress = Callable[[Mapping[str, object]], Awaitable[None]]  # hears `progress`, `total`, `message` of a call at work


class ServerSession(Protocol):
    """One session with a server that answers; it lasts as long as the block that opened it.

    A call fails with AgentLost as soon as the session is over, whatever ended it.
    """

    @property
    def version(self) -> str:
        """The server's version by its own word; empty when it has said none."""

    @property
    def tools(self) -> Sequence[ServerTool]:
        """What it offers now."""

    async def ping(self) -> None:
        """Ask whether it lives; any MeshError says that it does not. The caller bounds the time."""

    async def closed(self) -> str:
        """Wait until it is over; why, in words for people, for example "exited with code 3"."""

    async def changed(self) -> None:
        """Wait until its tools have changed."""

    async def call(self, tool: str, given: Mapping[str, object], progress: Progress | None = None) -> object:
        """Call a tool by the server's own name; its result as JSON."""


class OpenSession(Protocol):
    """Starts servers, or connects to them."""

    def __call__(
        self, server_id: str, config: ServerConfig, grace: Callable[[], float], log: Callable[[str], None]
    ) -> AbstractAsyncContextManager[ServerSession]:
        """A session with a server that answers; MeshError, or OSError of its process, says why there is none.

        All values of the config are themselves by then, none is a secret's name. `grace` tells how many seconds the
        process gets to end when the block ends, before it and all its children are killed. `log` hears each line of
        stderr, masked, and outlives the session.
        """


class Stage(Protocol):
    """Where a server that runs is the agent `mcp.<server_id>` of the mesh, on this node."""

    def offering(self, server: Server, session: ServerSession) -> AbstractAsyncContextManager[None]:
        """Be that agent until the block ends, with the tools as they change. Calls in flight then fail: AgentLost."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """A server to be added; `replace` gives one of that name this configuration whole."""

    id: str
    config: ServerConfig
    wish: Wish = Wish.RUN
    replace: bool = False


@dataclass(frozen=True, slots=True)
class CopyChange:
    """How a copy stands from now on; spans are seconds from now, None where there is none.

    `tools` replaces the tools that were last seen; None leaves them.
    """

    server_id: str
    status: ServerStatus
    health: HealthStatus = HealthStatus.UNKNOWN
    checked: bool = False  # its health was looked at just now
    started: bool = False
    restarts: int = 0  # how many more than were told before
    retry_in: float | None = None
    problem: str = ""
    tools: Sequence[ServerTool] | None = None


class Servers(Protocol):
    """The truth about servers. Changes get revisions that grow in commit order. StoreUnavailable when it is away."""

    async def add(self, new: NewServer) -> Server:
        """Add one; ServerExists when there is one of that name and it is not to be replaced."""

    async def remove(self, server_id: str) -> bool:
        """Forget one; whether there was one."""

    async def wish(self, server_id: str, wish: Wish, grace: float | None = None, *, restart: bool = False) -> Server:
        """Say what is wanted; `restart` makes another generation. ServerNotFound.

        To want that it runs again is a start of what waits or is in quarantine, and nothing to what runs.
        """

    async def get(self, server_id: str) -> Server:
        """One, with its copies; ServerNotFound."""

    async def list(self, fits: ServerFilter, after: str, limit: int) -> Sequence[Server]:
        """Those that fit, by name, after a name, without copies."""

    async def all(self) -> tuple[int, Sequence[Server]]:
        """The revision, and all servers with the values of their secrets, for those who run them."""

    async def tools(self, server_id: str) -> Sequence[ServerTool]:
        """The tools of one as last seen; nothing for one that there is not."""

    async def hold(self, node_id: str, server_ids: Sequence[str]) -> Sequence[str]:
        """Take or renew the leases of a node on servers, those which nobody else has; the ids that it now has.

        All copies of the node are kept with them. An id of a server that runs on every node takes no lease.
        """

    async def release(self, node_id: str, server_ids: Sequence[str]) -> None:
        """Give leases back, and forget the node's copies of these servers."""

    async def change(self, node_id: str, change: CopyChange) -> None:
        """Keep how a copy stands; nothing for a server that there is not, or that another node has by now."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, as with the registry."""
