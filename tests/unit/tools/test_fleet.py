"""Which servers run on a node: what is wanted there, what it holds, and what it lets others have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.model.servers import Server, ServerStatus, Wish
from a2a_node.model.tool_ports import NewServer
from a2a_node.model.tools import Placement, ServerConfig, Stdio
from a2a_node.testing import MemoryServers
from a2a_node.tools.fleet import Fleet, Post
from a2a_node.tools.reports import Reports
from a2a_node.tools.supervisor import Supervisor
from tests.unit.tools.sessions import Scene
from tests.unit.virtual import in_no_time

FILES = ServerConfig(Stdio("files"))


@dataclass
class House:
    """A fleet, its sessions, and whether its node takes servers that nobody has."""

    fleet: Fleet
    scene: Scene
    taking: list[bool]

    def running(self) -> list[str]:
        """The servers that can be called here."""
        return sorted(self.scene.on_stage)


@asynccontextmanager
async def fleet_of(store: MemoryServers, node: str = "one", labels: Mapping[str, str] = {}) -> AsyncIterator[House]:
    """The fleet of a node."""
    scene, taking, reports = Scene(), [True], Reports(store, node)
    hands = scene.hands(reports.say)

    def made(server: Server, again: bool) -> Supervisor:  # noqa: FBT001 - as the fleet calls it
        return Supervisor(server, hands, again=again)

    post = Post(node, labels, 15.0, lambda: taking[0])
    async with Fleet.running(store, post, reports, made) as fleet:
        yield House(fleet, scene, taking)


async def settled() -> None:
    """Let all that is due be done: more than two leases, in virtual time."""
    await asyncio.sleep(31)


def test_what_is_wanted_runs_on_one_node() -> None:
    """Until it is not wanted any more; then nobody holds it."""

    async def scenario() -> None:
        store = MemoryServers()
        async with fleet_of(store) as one, fleet_of(store, "two") as two:
            await store.add(NewServer("files", FILES))
            await settled()
            assert sorted((one.running(), two.running())) == [[], ["files"]]
            assert (await store.get("files")).status is ServerStatus.RUNNING
            await store.wish("files", Wish.STOP, 1.0)
            await settled()
            assert (one.running(), two.running()) == ([], [])
            stopped = await store.get("files")
            assert (stopped.status, stopped.holder, stopped.copies) == (ServerStatus.STOPPED, "", [])
            assert (one.fleet.lines("files"), two.fleet.lines("files")) == (None, None)

    in_no_time(scenario())


def test_another_node_takes_what_one_leaves() -> None:
    """At once, by the lease that was given back."""

    async def scenario() -> None:
        store = MemoryServers()
        async with fleet_of(store, "two") as two:
            two.taking[0] = False
            async with fleet_of(store) as one:
                await store.add(NewServer("files", FILES))
                await settled()
                assert (one.running(), two.running()) == (["files"], [])
                two.taking[0] = True
            assert (one.scene.running, one.running()) == (0, [])
            await asyncio.sleep(1)
            assert two.running() == ["files"]

    in_no_time(scenario())


def test_labels_and_placement_choose_the_nodes() -> None:
    """One that no node suits runs nowhere; a copy of each is on every node that suits."""

    async def scenario() -> None:
        store = MemoryServers()
        async with fleet_of(store, "one", {"disk": "fast"}) as one, fleet_of(store, "two") as two:
            await store.add(NewServer("fast", ServerConfig(Stdio("x"), node_labels={"disk": "fast"})))
            await store.add(NewServer("gone", ServerConfig(Stdio("x"), node_labels={"disk": "huge"})))
            await store.add(NewServer("each", ServerConfig(Stdio("x"), Placement.EVERY_NODE)))
            await settled()
            assert (one.running(), two.running()) == (["each", "fast"], ["each"])
            assert len((await store.get("each")).copies) == 2

    in_no_time(scenario())


def test_a_wish_to_restart_makes_another_run() -> None:
    """Which is told of as a restart, with the reason; another configuration is one, too."""

    async def scenario() -> None:
        store = MemoryServers()
        async with fleet_of(store) as one:
            await store.add(NewServer("files", FILES))
            await settled()
            await store.wish("files", Wish.RUN, restart=True)
            await settled()
            assert (len(one.scene.opened), one.scene.restarts) == (2, ["somebody wished it"])
            assert (await store.get("files")).restarts == 1
            await store.add(NewServer("files", ServerConfig(Stdio("other")), replace=True))
            await settled()
            assert one.scene.configs[-1].transport == Stdio("other")
            assert one.running() == ["files"]

    in_no_time(scenario())


def test_many_servers_are_taken_a_few_at_a_time() -> None:
    """And all of them in the end."""

    async def scenario() -> None:
        store = MemoryServers()
        for number in range(15):
            await store.add(NewServer(f"s-{number}", FILES))
        async with fleet_of(store) as one, fleet_of(store, "two") as two:
            await settled()
            assert len({*one.running(), *two.running()}) == 15
            assert one.running()
            assert two.running()

    in_no_time(scenario())


def test_servers_go_on_while_the_store_is_away() -> None:
    """And are what is wanted once it is back."""

    async def scenario() -> None:
        store = MemoryServers()
        async with fleet_of(store) as one:
            await store.add(NewServer("files", FILES))
            await settled()
            store.lose()
            await settled()
            assert one.running() == ["files"]
            store.recover()
            await store.wish("files", Wish.STOP)
            await settled()
            assert one.running() == []

    in_no_time(scenario())


def test_a_server_is_handed_over_once_its_calls_have_ended() -> None:
    """No call begins meanwhile, and the other node has it only then; one without an heir stays."""

    async def scenario() -> None:
        store, calm = MemoryServers(), asyncio.Event()

        async def calls_end(_: Server) -> None:
            await calm.wait()

        async with fleet_of(store) as one:
            for name in ("files", "kept"):
                await store.add(NewServer(name, FILES))
            await settled()
            async with fleet_of(store, "two") as two:
                one.taking[0] = False
                handing = asyncio.create_task(one.fleet.hand_over(lambda server: server.id == "files", calls_end))
                await settled()
                assert (one.running(), one.scene.running, two.running()) == (["kept"], 2, [])
                calm.set()
                await handing
                await settled()
                assert (one.running(), one.scene.running, two.running()) == (["kept"], 1, ["files"])
                assert one.scene.restarts == []
                assert (await store.get("files")).restarts == 0

    in_no_time(scenario())


def test_one_that_cannot_be_called_is_handed_over_at_once() -> None:
    """It may run elsewhere."""

    async def scenario() -> None:
        store = MemoryServers()

        async def calls_end(_: Server) -> None:
            await asyncio.Event().wait()

        async with fleet_of(store) as one:
            one.scene.failure = FileNotFoundError(2, "No such file or directory")
            await store.add(NewServer("files", FILES))
            await settled()
            async with fleet_of(store, "two") as two:
                one.taking[0] = False
                await one.fleet.hand_over(lambda _: True, calls_end)
                await settled()
                assert two.running() == ["files"]

    in_no_time(scenario())
