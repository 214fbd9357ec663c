"""The process of an MCP server: started behind a guard, within limits, and ended with all that it has started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from a2a_node.guard import Held
from a2a_node.guarded import guarded
from a2a_node.model.errors import InternalError, InvalidInput
from a2a_node.model.tools import ServerLimits, Stdio

HANDED_DOWN = ("PATH", "HOME", "LANG", "TMPDIR")
CHUNK = 64 * 1024
SIGNALLED = 128  # and the number of a signal: the code of a process that it has ended


@dataclass(frozen=True, slots=True)
class Child:
    """A server's process, and its three streams."""

    process: Process
    input: StreamWriter
    output: StreamReader
    errors: StreamReader


def environment_of(stdio: Stdio) -> Mapping[str, str]:
    """What a server finds in its environment: four variables of the node's, and what is configured."""
    ours = {name: os.environ[name] for name in HANDED_DOWN if name in os.environ}
    return ours | {name: value.value for name, value in stdio.environment.items()}


def program_of(stdio: Stdio, environment: Mapping[str, str]) -> str:
    """The absolute path of its program; InvalidInput when there is none that can be run."""
    found = shutil.which(stdio.command, path=environment.get("PATH", os.defpath))
    if found is None:
        raise InvalidInput(
            "config.stdio.command",
            f"{stdio.command[:200]!r} is no program that this node finds; install it there, or give its absolute path",
        )
    return str(Path(found).absolute())


def bounds_of(limits: ServerLimits) -> dict[str, int]:
    """The limits of each of its processes, by their names in `resource`."""
    asked = {
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_NOFILE": limits.open_files,
    }
    return {"RLIMIT_CORE": 0} | {name: bound for name, bound in asked.items() if bound > 0}


@asynccontextmanager
async def started(stdio: Stdio, limits: ServerLimits, folder: Path, grace: Callable[[], float]) -> AsyncIterator[Child]:
    """Run a server in a folder until the block ends; with this process it ends in any case, even when that is killed.

    At the end of the block its input is closed, half its grace later it is told to stop (SIGTERM), and when the grace
    is over it is killed with all its children. InvalidInput, or OSError, says why it cannot be started.
    """
    environment = environment_of(stdio)
    program = program_of(stdio, environment)
    held: Held = {"bounds": bounds_of(limits), "writes": [], "hidden": "", "answers": True}
    async with guarded((program, *stdio.args), held, stdio.working_directory or folder, environment) as process:
        child = Child(process, *_streams(process))
        try:
            yield child
        finally:
            await asyncio.shield(asyncio.create_task(_stopped(child, grace())))


def code_in_words(code: int) -> str:
    """How a process ended, for people."""
    if code > SIGNALLED:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(code - SIGNALLED).name}"
    return f"exited with code {code}"


def _streams(process: Process) -> tuple[StreamWriter, StreamReader, StreamReader]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise InternalError  # it was started with pipes
    return process.stdin, process.stdout, process.stderr


async def _stopped(child: Child, grace: float) -> None:
    """Give the server its time to end by itself."""
    child.input.close()
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(_unread(stream)) for stream in (child.output, child.errors)]
        await _told(child, grace)
        for task in reading:
            task.cancel()


async def _told(child: Child, grace: float) -> None:
    if await _ends(child.process, grace / 2):
        return
    with suppress(ProcessLookupError):
        child.process.send_signal(signal.SIGTERM)
    await _ends(child.process, grace / 2)


async def _unread(stream: StreamReader) -> None:
    """Let it write what it still has to say."""
    while await stream.read(CHUNK):
        pass


async def _ends(process: Process, within: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await process.wait()
            return True
    return False
