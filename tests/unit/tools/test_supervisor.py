"""A supervisor keeps one server alive, and knows when to leave it alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise

from a2a_node.model.errors import AgentLost, StoreUnavailable
from a2a_node.model.servers import HealthStatus, Server, ServerStatus, Wish
from a2a_node.model.tools import Placement, RestartRules, ServerConfig, ServerTool, ServerValue, Stdio
from a2a_node.tools.supervisor import Supervisor
from tests.unit.tools.sessions import Scene
from tests.unit.virtual import in_no_time

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = ServerConfig(Stdio("files", (), {"KEY": ServerValue("", "token"), "PLAIN": ServerValue("value")}))


def server(config: ServerConfig = CONFIG, status: ServerStatus = ServerStatus.STARTING) -> Server:
    """A server as the store has it."""
    return Server("files", config, Wish.RUN, 1, 0, BEGAN, BEGAN, status)


@asynccontextmanager
async def kept(scene: Scene, one: Server | None = None, *, again: bool = False) -> AsyncIterator[Supervisor]:
    """A supervisor at work."""
    supervisor = Supervisor(one or server(), scene.hands(), again=again)
    task = asyncio.create_task(supervisor.run())
    try:
        await asyncio.sleep(0.01)
        yield supervisor
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def statuses(scene: Scene) -> list[ServerStatus]:
    """How the server stood, one after the other."""
    said = [change.status for change in scene.said]
    return said[:1] + [after for before, after in pairwise(said) if after is not before]


def test_a_server_is_started_and_ended() -> None:
    """With its secrets; on stage while it runs, and gone afterwards."""

    async def scenario() -> None:
        scene = Scene()
        async with kept(scene) as supervisor:
            assert statuses(scene) == [ServerStatus.STARTING, ServerStatus.RUNNING]
            assert (supervisor.status, supervisor.healthy) == (ServerStatus.RUNNING, True)
            assert scene.said[-1].tools == [ServerTool("say", "say")]
            assert scene.said[-1].started
            assert scene.configs[0].values == {"KEY": ServerValue("s3cr3t"), "PLAIN": ServerValue("value")}
            assert scene.on_stage == ["files"]
        assert (scene.on_stage, scene.running, scene.restarts) == ([], 0, [])

    in_no_time(scenario())


def test_what_ended_is_started_again_after_a_pause_that_doubles() -> None:
    """Each restart is counted, with the reason; what stood for long begins with the shortest pause."""

    async def scenario() -> None:
        scene = Scene()
        async with kept(scene):
            for _ in range(4):
                scene.opened[-1].end("exited with code 3")
                await asyncio.sleep(3)
            await asyncio.sleep(40)
            scene.opened[-1].end("exited with code 4")
            await asyncio.sleep(1)
            assert [change.retry_in for change in scene.said if change.retry_in] == [0.25, 0.5, 1.0, 2.0, 0.25]
            assert sum(change.restarts for change in scene.said) == 5
            assert scene.restarts == ["exited with code 3"] * 4 + ["exited with code 4"]
            assert scene.said[-1].status is ServerStatus.RUNNING

    in_no_time(scenario())


def test_one_that_ends_too_often_is_left_alone() -> None:
    """Until somebody starts it; then it has as many tries as before."""

    async def scenario() -> None:
        scene = Scene()
        scene.lifetime = 0.1
        rules = RestartRules(max_restarts=3)
        async with kept(scene, server(ServerConfig(Stdio("files"), restart=rules))) as supervisor:
            await asyncio.sleep(500)
            assert supervisor.status is ServerStatus.QUARANTINED
            assert len(scene.opened) == 4
            assert "restarted too often" in scene.said[-1].problem
            supervisor.wake()
            await asyncio.sleep(500)
            assert supervisor.status is ServerStatus.QUARANTINED
            assert len(scene.opened) == 8

    in_no_time(scenario())


def test_restarts_that_are_long_ago_do_not_count() -> None:
    """Only those within the window do."""

    async def scenario() -> None:
        scene = Scene()
        rules = RestartRules(max_restarts=3, window=60)
        async with kept(scene, server(ServerConfig(Stdio("files"), restart=rules))) as supervisor:
            for _ in range(20):
                await asyncio.sleep(31)
                scene.opened[-1].end("exited with code 3")
            await asyncio.sleep(1)
            assert supervisor.status is ServerStatus.RUNNING

    in_no_time(scenario())


def test_one_that_does_not_answer_is_restarted() -> None:
    """After as many checks as its configuration says; a check that it answers begins the count anew."""

    async def scenario() -> None:
        scene = Scene()
        async with kept(scene) as supervisor:
            scene.opened[0].hangs = True
            await asyncio.sleep(13)
            assert (supervisor.status, supervisor.healthy) == (ServerStatus.UNHEALTHY, False)
            scene.opened[0].hangs = False
            await asyncio.sleep(6)
            assert supervisor.status is ServerStatus.RUNNING
            assert len(scene.opened) == 1
            scene.opened[0].hangs = True
            await asyncio.sleep(25)
            assert len(scene.opened) == 2
            assert scene.restarts == ["it did not answer 3 health checks in a row"]
            assert supervisor.status is ServerStatus.RUNNING

    in_no_time(scenario())


def test_one_that_cannot_be_started_says_why() -> None:
    """However it fails; what is unexpected stays in the log."""

    async def scenario() -> None:
        scene = Scene()
        scene.failure = AgentLost("mcp.files", "files")
        async with kept(scene) as supervisor:
            assert scene.said[-1].status is ServerStatus.FAILED
            assert scene.said[-1].health is HealthStatus.UNHEALTHY
            assert "mcp.files" in scene.said[-1].problem
            scene.failure = FileNotFoundError(2, "No such file or directory")
            supervisor.wake()
            await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            assert scene.said[-1].problem == "No such file or directory"
            scene.failure = ZeroDivisionError("the secret")
            supervisor.wake()
            await asyncio.sleep(0.01)
            assert "internal error" in scene.said[-1].problem
            scene.failure = None
            supervisor.wake()
            await asyncio.sleep(0.01)
            assert supervisor.status is ServerStatus.RUNNING

    in_no_time(scenario())


def test_a_secret_that_the_node_has_not_is_named() -> None:
    """And the server waits for it."""

    async def scenario() -> None:
        scene = Scene()
        config = ServerConfig(Stdio("files", (), {"KEY": ServerValue("", "other")}))
        async with kept(scene, server(config)):
            assert "'other' is no secret of this node" in scene.said[-1].problem
            assert scene.opened == []

    in_no_time(scenario())


def test_a_registry_that_is_away_is_no_failure_of_the_server() -> None:
    """It is started when the registry is back, and not counted."""

    async def scenario() -> None:
        scene = Scene()
        scene.failure = StoreUnavailable("postgres")
        async with kept(scene) as supervisor:
            await asyncio.sleep(60)
            scene.failure = None
            await asyncio.sleep(2)
            assert supervisor.status is ServerStatus.RUNNING
            assert scene.restarts == []

    in_no_time(scenario())


def test_quarantine_holds_on_the_next_node() -> None:
    """But not for a copy of every node's own, nor after a wish."""

    async def scenario() -> None:
        for placement, again, runs in (
            (Placement.ONE_NODE, False, False),
            (Placement.ONE_NODE, True, True),
            (Placement.EVERY_NODE, False, True),
        ):
            scene = Scene()
            one = server(ServerConfig(Stdio("files"), placement), ServerStatus.QUARANTINED)
            async with kept(scene, one, again=again) as supervisor:
                assert bool(scene.opened) == runs
                supervisor.wake()
                await asyncio.sleep(0.01)
                assert scene.opened

    in_no_time(scenario())


def test_new_tools_are_told_of() -> None:
    """As they change."""

    async def scenario() -> None:
        scene = Scene()
        async with kept(scene):
            scene.opened[0].offer(ServerTool("read", "read"))
            await asyncio.sleep(0.01)
            assert scene.said[-1].tools == [ServerTool("read", "read")]

    in_no_time(scenario())


def test_the_last_lines_of_its_log_are_kept() -> None:
    """Also those of a process that has ended; long ones are cut."""

    async def scenario() -> None:
        scene = Scene()
        async with kept(scene) as supervisor:
            scene.opened[0].log("x" * 5000)
            scene.opened[0].end("exited with code 3")
            await asyncio.sleep(1)
            for number in range(1000):
                scene.opened[1].log(str(number))
            assert supervisor.lines == [str(number) for number in range(1000)]

    in_no_time(scenario())
