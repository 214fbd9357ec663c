"""A process behind the guard: with the block that has started it, and with this process, all that it started ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from a2a_node import guard

ENDING = 5.0  # seconds for the guard to end all; then it is ended itself


@asynccontextmanager
async def guarded(
    argv: Sequence[str], held: guard.Held, cwd: str | Path, environment: Mapping[str, str]
) -> AsyncIterator[Process]:
    """The guard of a program, which is named by its absolute path, in a session of its own; OSError.

    Its output and errors are pipes, and so is its input where it is held to answer; otherwise it has none.
    """
    heard, lifeline = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", guard.__file__, json.dumps({**held, "lifeline": heard}), *argv),
            cwd=cwd,
            env=environment,
            stdin=PIPE if held["answers"] else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=(heard,),
            start_new_session=True,
        )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(heard)
    try:
        yield process
    finally:
        os.close(lifeline)
        await asyncio.shield(asyncio.create_task(_ended(process)))


async def _ended(process: Process) -> None:
    """Wait until the guard has ended everything; where it cannot, the whole group is ended from here."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ENDING):
            await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
