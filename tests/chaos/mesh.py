"""The mesh that suffers: three nodes and two copies of an agent, each in a process of its own, on stores of their own.

Clients ask `front`; the agent's copies are at `serving` and `other`. Nodes meet at addresses of this machine that lead
through doors, so that a network between two of them can break.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit
from uuid import uuid4

import psutil

from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from tests.chaos import gauges
from tests.chaos.doors import Door, Porter, open_door
from tests.chaos.load import WORKERS
from tests.e2e.nodes import A2A_NODE
from tests.e2e.processes import Program
from tests.ports import free_port

LEASE = 3  # seconds
NODES = ("front", "serving", "other")
COPIES = {"a": "serving", "b": "other"}
STORES = ("A2A_POSTGRES_URL", "A2A_REDIS_URL")
QUIET = 20.0  # seconds that what is left may take to end
PATIENCE = 60.0  # seconds until every node has a link to every other one
HOST = "127.0.0.1"


class Part:
    """A process of the mesh that dies and comes back."""

    def __init__(
        self, command: Sequence[str | Path], environ: Mapping[str, str], ready: str, *, ends_well: bool = False
    ) -> None:
        self._command, self._environ, self._ready, self._ends_well = command, environ, ready, ends_well
        self._program: Program | None = None

    async def start(self, **environ: str) -> None:
        """Run it, and wait until it is ready."""
        self._program = Program(self._command, {**self._environ, **environ})
        await asyncio.to_thread(self._program.line, self._ready)

    async def end(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it has ended; a node that was asked to has to end well."""
        if self._program is None:
            return
        try:
            if self._ends_well and sign is signal.SIGTERM:
                await asyncio.to_thread(self._program.end_well)
        finally:
            await asyncio.to_thread(self._program.end, sign)

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, sign)

    @property
    def pid(self) -> int:
        """Its process id; 0 before it was started."""
        return 0 if self._program is None else self._program.pid

    @property
    def output(self) -> str:
        """What it has said since it was started."""
        return "" if self._program is None else self._program.output


class Mesh:
    """All of it; made by `mesh`."""

    def __init__(self, home: Path, key: str, keeper: Part, net: int) -> None:
        """`keeper` runs the stores; `net` tells meshes on one machine apart: nodes meet at 127.0.net.1, 2 and 3."""
        self.home, self.key, self._keeper = home, key, keeper
        stores = dict(zip(STORES, (home / "urls").read_text().split(), strict=True))
        self._net = net
        self._common = {**stores, "A2A_LEASE": str(LEASE), "A2A_KEY": key, "A2A_ACCESS_LOG": "false"}
        self._ports = {name: [free_port() for _ in range(3)] for name in NODES}
        self._aside = {urlsplit(url).port or 0 for url in stores.values()} | {
            http for _, _, http in self._ports.values()
        }
        self.parts: dict[str, Part] = {}
        self.for_clients, self.for_nodes = Porter("clients"), Porter("nodes")
        self.doors: dict[str, Door] = {}  # to the nodes, from other nodes
        self._own_doors: list[Door] = []  # to front, one for each client

    def address(self, node: str) -> str:
        """Where clients find a node."""
        return f"{HOST}:{self._ports[node][0]}"

    def addresses(self, _: int) -> list[str]:
        """Where clients ask, whichever they are."""
        return [self.address("front"), self.address("other")]

    def own_addresses(self, client: int) -> list[str]:
        """The same, the first through a door that no other client has."""
        host, port = self._own_doors[client].address
        return [f"{host}:{port}", self.address("other")]

    async def open(self, house: AsyncExitStack) -> None:
        """Start everything; the house ends it."""
        for number, name in enumerate(NODES, start=1):
            port = self._ports[name][1]
            here = (f"127.0.{self._net}.{number}", port)
            door = open_door(here, (HOST, port), self._who, self.for_nodes)
            self.doors[name] = await house.enter_async_context(door)
            self.parts[name] = self._node(name, here[0])
        front = (HOST, self._ports["front"][0])
        for _ in range(WORKERS):
            door = open_door((HOST, 0), front, self._who, self.for_clients)
            self._own_doors.append(await house.enter_async_context(door))
        for copy, node in COPIES.items():
            self.parts[copy] = self._agent(copy, node)
        for part in self.parts.values():
            house.push_async_callback(part.end)
            await part.start()

    async def acquaint(self) -> None:
        """Have every node reach every other one, so that the links are there that a fault may have somebody dial.

        RuntimeError when they do not come: what is there before and after could not be compared.
        """
        until = monotonic() + PATIENCE
        while monotonic() < until:
            for name in NODES:
                async with MeshClient(self.address(name), self.key) as client:
                    with suppress(MeshError):  # nobody knows such a call
                        await client.get_call(str(uuid4()))
            seen = [await gauges.read(f"{HOST}:{self._ports[name][2]}") for name in NODES]
            if all(gauges.links(one) == len(NODES) - 1 for one in seen):
                return
            await asyncio.sleep(0.25)
        raise RuntimeError(f"the nodes do not reach each other: {seen}")

    async def gauges(self) -> Counter[str]:
        """What all nodes have under way."""
        seen: Counter[str] = Counter()
        for name in NODES:
            for figure, count in (await gauges.read(f"{HOST}:{self._ports[name][2]}")).items():
                seen[f"{name} {figure}"] = count
        for name, part in self.parts.items():
            for kind, count in gauges.open_files(part.pid, self._aside).items():
                seen[f"{name} open files: {kind}"] = count
        return seen

    async def left(self, before: Counter[str]) -> Counter[str]:
        """What does not end after the load has."""
        until, left = monotonic() + QUIET, gauges.left(before, await self.gauges())
        while left and monotonic() < until:
            await asyncio.sleep(0.25)
            left &= gauges.left(before, await self.gauges())  # the least of each: a look may meet a passing one
        return left

    def connections(self) -> dict[str, list[str]]:
        """What the processes of all parts are connected with."""
        return {name: gauges.connections(part.pid) for name, part in self.parts.items()}

    def servers(self, *names: str) -> list[psutil.Process]:
        """The processes of stores: `postgres`, `valkey-server`."""
        return [process for process in psutil.process_iter() if self._ours(process, names)]

    @asynccontextmanager
    async def without(self, *stores: str) -> AsyncIterator[None]:
        """Kill stores and keep them away, so that connections to them are refused; afterwards they are there again."""
        self._keeper.signal(signal.SIGSTOP)  # it would start them again
        try:
            killed = self._held(*stores)
            for process in killed:
                process.kill()
            yield
        finally:
            self._keeper.signal(signal.SIGCONT)
        await self._others(stores, killed)

    async def kill(self, store: str, *, emptied: bool = False) -> None:
        """Kill a store, perhaps with all its data, and wait until another process of it is there."""
        killed = self._held(store)
        if emptied:
            await asyncio.to_thread(shutil.rmtree, self.home / "stores" / "valkey" / "appendonlydir")
        for process in killed:
            process.kill()
        await self._others([store], killed)

    def ledger(self) -> list[list[str]]:
        """All lines of the agents' ledgers."""
        files = [self.home / f"{copy}.ledger" for copy in COPIES]
        return [line.split() for file in files if file.exists() for line in file.read_text().splitlines()]

    def _held(self, *stores: str) -> list[psutil.Process]:
        """The processes of stores, all of them stopped, so that none of them can have another one."""
        processes = self.servers(*stores)
        for process in processes:
            process.suspend()
        return processes

    async def _others(self, stores: Sequence[str], killed: Sequence[psutil.Process]) -> None:
        """Wait until each store has another process than those."""
        pids = {process.pid for process in killed}
        for store in stores:
            while not {process.pid for process in self.servers(store)} - pids:  # noqa: ASYNC110 - processes do not tell
                await asyncio.sleep(0.05)

    def _ours(self, process: psutil.Process, names: Sequence[str]) -> bool:
        try:
            return process.name() in names and str(self.home) in " ".join([*process.cmdline(), process.cwd()])
        except psutil.Error:
            return False

    def _who(self, port: int) -> str:
        """The node behind a port, or nobody's name."""
        for name in NODES:
            with suppress(psutil.Error):
                if port in {one.laddr.port for one in psutil.Process(self.parts[name].pid).net_connections("tcp4")}:
                    return name
        return ""

    def _node(self, name: str, advertised: str) -> Part:
        ports = zip(("grpc-port", "peer-port", "http-port"), self._ports[name], strict=True)
        data_dir = self.home / name
        data_dir.mkdir(mode=0o700)
        (data_dir / "dev.key").write_text(self.key)
        (data_dir / "dev.key").chmod(0o600)
        words = [f"--{option}={port}" for option, port in ports]
        words += [f"--data-dir={data_dir}", f"--node-id={name}", f"--advertise-host={advertised}"]
        return Part((A2A_NODE, "serve", *words), self._common, r"ready grpc=", ends_well=True)

    def _agent(self, copy: str, node: str) -> Part:
        ledger = self.home / f"{copy}.ledger"
        command = (sys.executable, "-m", "tests.chaos.agents", copy, self.address(node), ledger)
        return Part(command, self._common, r"^ready$")


@asynccontextmanager
async def mesh(home: Path, key: str, net: int) -> AsyncIterator[Mesh]:
    """A mesh that takes calls, until the block ends."""
    stores = Part((sys.executable, "-m", "tests.bench.stores", home / "stores", home / "urls"), {}, r"^ready$")
    async with AsyncExitStack() as house:
        house.push_async_callback(stores.end)
        await stores.start()
        opened = Mesh(home, key, stores, net)
        await opened.open(house)
        yield opened
