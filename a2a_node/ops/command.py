"""One command: started in a session of its own behind a guard, heard within bounds, ended with all that it started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from a2a_node import guard
from a2a_node.agent import AgentRefused
from a2a_node.ops.output import Kept

ENDING = 5.0  # seconds for the guard to end all; then it is ended itself


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, where, and within which limits."""

    argv: Sequence[str]  # the program by its absolute path
    cwd: Path
    environment: Mapping[str, str]
    seconds: float
    output_bytes: int  # kept of each stream
    file_bytes: int  # that any file written may have
    writes: Sequence[Path] = ()  # beneath which it may write; none means wherever its user may
    hidden: Path | None = None  # what it may not read, but for where it may write


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its exit code, 128 + n for signal n, and what it printed, `cut` where that was too much."""

    code: int
    output: str
    errors: str
    cut: bool = False


async def finished(command: Command) -> Finished:
    """Run a command to its end; AgentRefused (COMMAND_TIMED_OUT) when its time is over."""
    async with _started(command) as process:
        output, errors = Kept(command.output_bytes), Kept(command.output_bytes)
        try:
            async with asyncio.timeout(command.seconds):
                await asyncio.gather(output.hear(process.stdout), errors.hear(process.stderr), process.wait())
        except TimeoutError:
            name = Path(command.argv[0]).name
            raise AgentRefused(
                f"{name} did not end within {command.seconds:g} s, and was ended with all that it had started",
                code="DEADLINE_EXCEEDED",
                reason="COMMAND_TIMED_OUT",
                command=name,
                seconds=f"{command.seconds:g}",
            ) from None
        code = process.returncode
    return Finished(-1 if code is None else code, output.text(), errors.text(), output.cut or errors.cut)


@asynccontextmanager
async def _started(command: Command) -> AsyncIterator[Process]:
    """The guard of a command; with the block, and with this process, all that it has started ends."""
    heard, lifeline = os.pipe()
    try:
        terms = {
            "lifeline": heard,
            "bounds": {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": command.file_bytes},
            "writes": [str(path) for path in command.writes],
            "hidden": str(command.hidden or ""),
            "answers": False,
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", guard.__file__, json.dumps(terms), *command.argv),
                cwd=command.cwd,
                env=dict(command.environment),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(heard,),
                start_new_session=True,
            )
        finally:
            os.close(heard)
        try:
            yield process
        finally:
            os.close(lifeline)
            lifeline = -1
            await asyncio.shield(asyncio.create_task(_ended(process)))
    finally:
        if lifeline >= 0:
            os.close(lifeline)


async def _ended(process: Process) -> None:
    """Wait until the guard has ended everything; where it cannot, the whole group is ended from here."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ENDING):
            await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
