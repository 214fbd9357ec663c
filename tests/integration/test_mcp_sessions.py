"""Sessions with a real MCP server in a process of its own, which misbehaves on command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from a2a_node.model.errors import (
    AgentFailed,
    AgentLost,
    AgentProtocol,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    PayloadTooLarge,
)
from a2a_node.model.tools import ServerConfig, ServerLimits, Stdio
from tests.integration.mcp_house import PATIENCE, SECRET, Log, misbehaving, session

FIFTY_MIB = 50 * 1024 * 1024


def _gone(pid: int) -> None:
    status, until = Path(f"/proc/{pid}/status"), time.monotonic() + PATIENCE
    with suppress(FileNotFoundError, ProcessLookupError):
        while "\nState:\tZ" not in status.read_text():
            assert time.monotonic() < until, f"process {pid} is still there"
            time.sleep(0.01)


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    await asyncio.to_thread(_gone, pid)


async def test_a_tool_is_called(tmp_path: Path) -> None:
    """Structured content comes back as it is, one text as a text."""
    async with session(tmp_path, misbehaving()) as opened:
        assert await opened.call("echo", {"a": [1, "x"]}) == {"a": [1, "x"]}
        assert await opened.call("get-two", {}) == "2"
        await opened.ping()


async def test_tools_become_capabilities(tmp_path: Path) -> None:
    """Names get their form, and whatever cannot be called says why."""
    async with session(tmp_path, misbehaving()) as opened:
        named = {tool.tool: tool.capability for tool in opened.tools if not tool.problem}
        problems = {tool.tool: tool.problem for tool in opened.tools if tool.problem}
        hints = {tool.tool: (tool.read_only, tool.destructive) for tool in opened.tools if not tool.problem}
    assert named["Get Two+"] == "get-two-2"
    assert named["get-two"] == "get-two"
    assert (hints["echo"], hints["crash"], hints["hang"]) == ((True, None), (None, True), (None, None))
    assert set(problems) == {"no-schema", "bad-schema", "echo"}
    assert "two tools of the name 'echo'" in problems["echo"]
    assert "nonsense" in problems["bad-schema"]


async def test_progress_is_told(tmp_path: Path) -> None:
    """Each notification is heard as it comes."""
    notes: list[object] = []

    async def hear(note: object) -> None:
        notes.append(note)

    async with session(tmp_path, misbehaving()) as opened:
        assert await opened.call("count", {"to": 3}, hear) == {"counted": 3}
    assert notes[0] == {"progress": 1, "total": 3, "message": "step 1"}


async def test_a_cancelled_call_is_cancelled_there(tmp_path: Path) -> None:
    """The server hears that nobody waits any more, and goes on with others."""
    log = Log()
    async with session(tmp_path, misbehaving(), log) as opened:
        call = asyncio.create_task(opened.call("hang", {}))
        await log.said("hangs")
        call.cancel()
        await log.said("cancelled")
        assert await opened.call("get-two", {}) == "2"
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_call_that_takes_too_long_ends(tmp_path: Path) -> None:
    """The server's own bound holds, and it is told to stop."""
    log = Log()
    async with session(tmp_path, misbehaving(call_timeout=0.2), log) as opened:
        with pytest.raises(DeadlineExceeded):
            await opened.call("hang", {})
        await log.said("cancelled")


async def test_a_failure_of_a_tool_says_why(tmp_path: Path) -> None:
    """Its own text comes back, without the secret that it may quote."""
    async with session(tmp_path, misbehaving()) as opened:
        with pytest.raises(AgentFailed, match="no such file") as failed:
            await opened.call("fail", {"why": f"no such file: {SECRET}"})
        assert SECRET not in str(failed.value)
        with pytest.raises(InvalidInput, match="unknown: nothing"):
            await opened.call("nothing", {})


@pytest.mark.parametrize("how", ["crash", "kill"])
async def test_calls_under_way_fail_at_once_when_the_server_dies(tmp_path: Path, how: str) -> None:
    """All of them, with AGENT_LOST; the session knows why it is over."""
    log = Log()
    async with session(tmp_path, misbehaving(), log) as opened:
        pid = int(str(await opened.call("pid", {})))
        calls = [asyncio.create_task(opened.call("hang", {})) for _ in range(20)]
        await log.said("hangs")
        at = time.monotonic()
        if how == "kill":
            os.kill(pid, signal.SIGKILL)
        else:
            with pytest.raises(AgentLost):
                await opened.call("crash", {"code": 7})
        for failure in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failure, AgentLost)
        assert time.monotonic() - at < PATIENCE
        reason = await opened.closed()
        with pytest.raises(AgentLost):
            await opened.call("get-two", {})
    assert reason == {"kill": "was ended by SIGKILL", "crash": "exited with code 7"}[how]


async def test_garbage_breaks_nothing(tmp_path: Path) -> None:
    """What is no message is told, masked, and passed over."""
    log = Log()
    async with session(tmp_path, misbehaving("--noise"), log) as opened:
        assert await opened.call("garbage", {"lines": 500}) == "printed"
        assert await opened.call("get-two", {}) == "2"
    assert await log.said("garbage 1 of ***")
    assert await log.said("Welcome to the server!")
    assert not [line for line in log.lines if SECRET in line]


async def test_an_answer_that_is_too_large_fails_its_call_alone(tmp_path: Path) -> None:
    """50 MiB are never held; the session lives on."""
    async with session(tmp_path, misbehaving()) as opened:
        beside = asyncio.create_task(opened.call("count", {"to": 3}))
        with pytest.raises(PayloadTooLarge) as refused:
            await opened.call("big", {"bytes": FIFTY_MIB})
        assert int(str(refused.value.variables["size"])) > FIFTY_MIB
        assert await beside == {"counted": 3}
        assert await opened.call("get-two", {}) == "2"


async def test_the_limit_of_results_is_the_servers_own(tmp_path: Path) -> None:
    """A small one hides no tools."""
    async with session(tmp_path, misbehaving(max_result_bytes=1000)) as opened:
        assert len(opened.tools) > 10
        with pytest.raises(PayloadTooLarge):
            await opened.call("big", {"bytes": 2000})


async def test_a_message_of_which_nobody_knows_what_it_answers_ends_the_session(tmp_path: Path) -> None:
    """Else a call could wait for ever."""
    async with session(tmp_path, misbehaving(), limit=1024) as opened:
        with pytest.raises(AgentLost):
            await opened.call("unknowable", {"bytes": 8 * 1024 * 1024})
        assert "of which nobody knows what it answers" in await opened.closed()


async def test_tools_that_change_are_listed_again(tmp_path: Path) -> None:
    """Also while calls are under way, and after a flood of such news."""
    async with session(tmp_path, misbehaving()) as opened:
        waiting = asyncio.create_task(opened.changed())
        assert await opened.call("flood", {"times": 2000}) == "flooded"
        await opened.call("change", {"name": "fresh"})
        async with asyncio.timeout(PATIENCE):
            await waiting
        assert "fresh" in {tool.capability for tool in opened.tools}


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--exit", "5"), "exited with code 5"), (("--noise", "--exit", "0"), "exited with code 0")],
    ids=["fails", "ends"],
)
async def test_a_server_that_ends_at_once_says_why(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """Its last words are in its log."""
    log = Log()
    with pytest.raises(AgentProtocol, match=said):
        async with session(tmp_path, misbehaving(*options), log):
            pass
    assert log.lines == ["cannot go on"]


async def test_a_command_that_does_not_exist_is_named() -> None:
    """The failure says what to do."""
    with pytest.raises(InvalidInput, match=r"config\.stdio\.command.*'no-such-program'"):
        async with session(Path("/tmp"), ServerConfig(Stdio("no-such-program"))):  # noqa: S108 - nothing is written
            pass


async def test_a_server_that_says_nothing_is_left_when_nobody_waits(tmp_path: Path) -> None:
    """Whoever opens the session may give up; nothing is left of it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), session(tmp_path, misbehaving("--silent"), grace=0.2):
            pass
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - quick


async def test_a_child_that_ignores_everything_is_killed_with_its_children(tmp_path: Path) -> None:
    """After its grace, those too that have made sessions of their own."""
    async with session(tmp_path, misbehaving("--stubborn"), grace=0.4) as opened:
        pids = [int(str(await opened.call(tool, {}))) for tool in ("pid", "leak")]
    for pid in pids:
        await gone(pid)


async def test_the_environment_is_what_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four variables of the node's, the configured ones, and an empty directory that ends with the session."""
    monkeypatch.setenv("A2A_MESH_PASSPHRASE", "of the node")
    async with session(tmp_path, misbehaving()) as opened:
        found = await opened.call("environment", {})
    assert isinstance(found, dict)
    assert set(found["environment"]) - {"LC_CTYPE"} <= {"PATH", "HOME", "LANG", "TMPDIR", "SECRET"}
    assert found["environment"]["SECRET"] == SECRET
    assert (Path(found["folder"]), found["inside"]) == (tmp_path / "s", [])
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("limits", "tool", "given", "end"),
    [
        (ServerLimits(memory_bytes=512 * 1024 * 1024), "leak", {"bytes": 1024**3}, None),
        (ServerLimits(open_files=64), "leak", {"files": 100}, None),
        (ServerLimits(cpu_seconds=1), "burn", {}, "was ended by SIGKILL"),
    ],
    ids=["memory", "files", "cpu"],
)
async def test_a_process_is_held_to_its_limits(
    tmp_path: Path, limits: ServerLimits, tool: str, given: dict[str, object], end: str | None
) -> None:
    """It gets no more memory and files, and too much work ends it."""
    log = Log()
    async with session(tmp_path, misbehaving(limits=limits), log) as opened:
        call = asyncio.create_task(opened.call(tool, given))
        if end is None:
            await log.said("Error")
            call.cancel()
            assert await opened.call("get-two", {}) == "2"
        else:
            assert await opened.closed() == end
        with suppress(MeshError, asyncio.CancelledError):
            await call


async def test_no_process_survives_a_node_that_is_killed(tmp_path: Path) -> None:
    """Not even one that ignores signals and whose child has a session of its own."""
    program = (
        "import asyncio, pathlib, sys\n"
        "from tests.integration.mcp_house import misbehaving, session\n"
        "async def main():\n"
        f"    async with session(pathlib.Path({str(tmp_path)!r}), misbehaving('--stubborn')) as opened:\n"
        "        print(await opened.call('pid', {}), await opened.call('leak', {}), flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    node = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert node.stdout is not None
    async with asyncio.timeout(PATIENCE * 2):
        pids = [int(word) for word in (await node.stdout.readline()).split()]
    node.kill()
    await node.wait()
    assert len(pids) == 2
    for pid in pids:
        await gone(pid)


async def test_many_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    """No file handles and no tasks."""
    config = replace(misbehaving(), call_timeout=5.0)
    handles, tasks = 0, len(asyncio.all_tasks())
    for number in range(6):
        async with session(tmp_path, config) as opened:
            await opened.ping()
        if number == 0:
            handles = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts them all
    assert len(os.listdir("/proc/self/fd")) <= handles  # noqa: PTH208 - counts them all
    assert len(asyncio.all_tasks()) == tasks
