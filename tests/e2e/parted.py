"""Three nodes of a mesh that reach stores and each other through doors, so that one can be cut off from all else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from a2a_node.client import MeshClient
from tests.chaos.doors import Door, Porter, open_door
from tests.e2e.nodes import RunningNode, mesh_node
from tests.ports import free_port

NAMES = ("one", "two", "three")
CUT = "two"  # the one that can be cut off
HOST = "127.0.0.1"
OTHERS = "others"


class Mesh:
    """The nodes by name, and a client of each; made by `opened`."""

    def __init__(self, house: AsyncExitStack, folder: Path, lease: float) -> None:
        self._house, self._folder, self._lease = house, folder, lease
        self._doors: dict[str, Door] = {}  # to nodes, from others; and those of the one to its stores
        self.nodes: dict[str, RunningNode] = {}
        self.clients: dict[str, MeshClient] = {}
        self.key = ""

    async def part(self, *, ended: bool) -> None:
        """Let nothing through any more between the one and all others, its stores among them.

        Connections are `ended` first, or stay and carry nothing; new ones lead nowhere.
        """
        for name, door in self._doors.items():
            await door.bar(CUT if name != CUT else OTHERS)
        for door in self._doors.values() if ended else ():
            door.cut()

    async def heal(self) -> None:
        """Let everything through, what was held up first."""
        for door in self._doors.values():
            await door.bar()

    async def open(self, stores: tuple[str, str]) -> None:
        """Start all nodes; the house ends them, after it has healed them, and then the doors."""
        behind = (await self._apart(stores[0]), await self._apart(stores[1]))
        ports = {name: free_port() for name in NAMES}
        for number, (name, port) in enumerate(ports.items(), start=1):
            self._doors[name] = await self._door((f"127.0.0.{10 + number}", port), (HOST, port), self._who)
        nodes = ExitStack()
        self._house.push_async_callback(asyncio.to_thread, nodes.close)
        self._house.push_async_callback(self.heal)
        for name, port in ports.items():
            urls, advertised = behind if name == CUT else stores, self._doors[name].address[0]
            environ = {"A2A_POSTGRES_URL": urls[0], "A2A_REDIS_URL": urls[1], "A2A_LEASE": str(self._lease)}
            words = ("--node-id", name, "--no-echo", "--peer-port", str(port), "--advertise-host", advertised)
            node = await asyncio.to_thread(nodes.enter_context, mesh_node(self._place(name), environ, *words))
            self.nodes[name], self.key = node, node.key
            self.clients[name] = await self._house.enter_async_context(MeshClient(node.address, node.key))

    def _place(self, name: str) -> Path:
        place = self._folder / name
        place.mkdir()
        if self.key:
            (place / "dev.key").write_text(self.key)
            (place / "dev.key").chmod(0o600)
        return place

    async def _apart(self, url: str) -> str:
        """The URL of the same store behind a door."""
        parts = urlsplit(url)
        door = await self._door((HOST, 0), (parts.hostname or "", parts.port or 0), lambda _: CUT)
        self._doors[url] = door
        user = f"{parts.username or ''}:{parts.password or ''}"
        return parts._replace(netloc=f"{user}@{HOST}:{door.address[1]}").geturl()

    async def _door(self, at: tuple[str, int], target: tuple[str, int], who: Callable[[int], str]) -> Door:
        return await self._house.enter_async_context(open_door(at, target, who, Porter()))

    def _who(self, port: int) -> str:
        """Whether the one that can be cut off is behind a port of this machine."""
        node = self.nodes.get(CUT)
        ports = set() if node is None else {one.laddr.port for one in psutil.Process(node.pid).net_connections("tcp4")}
        return CUT if port in ports else OTHERS


@asynccontextmanager
async def opened(folder: Path, stores: tuple[str, str], lease: float) -> AsyncIterator[Mesh]:
    """A mesh on these stores, until the block ends."""
    async with AsyncExitStack() as house:
        mesh = Mesh(house, folder, lease)
        await mesh.open(stores)
        yield mesh


async def standing(mesh: MeshClient) -> Mapping[str, object]:
    """All that a node lists of the mesh: nodes with how they stand, and agents with the nodes of their copies."""
    return {
        "nodes": [(entry.node.id, entry.node.status.value, entry.instance_count) async for entry in mesh.nodes.list()],
        "agents": [
            (entry.agent.name, [instance.node for instance in entry.instances]) async for entry in mesh.agents.list()
        ],
    }
