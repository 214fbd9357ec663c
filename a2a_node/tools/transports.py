"""The transport that a configuration asks for, and how it ended."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from mcp.client._transport import TransportStreams

from a2a_node.model.tools import Http, ServerConfig, Stdio
from a2a_node.tools.child import Child, code_in_words, started
from a2a_node.tools.http import connected
from a2a_node.tools.lines import TooLong, lines
from a2a_node.tools.stdio import spoken

Streams: TypeAlias = TransportStreams
EXITING = 1.0  # seconds between the end of a process's output and its own
LONGEST = 64 * 1024  # bytes that are read of a line of a log


class Ends:
    """How a session ends, which is known once; and how what is said on the way there is told."""

    def __init__(self, log: Callable[[str], None], mask: Callable[[str], str]) -> None:
        """`log` hears what people may read, `mask` makes such words of any."""
        self.mask = mask
        self._log = log
        self._over = asyncio.Event()
        self._reason = ""

    def log(self, line: str) -> None:
        """Keep a line for people."""
        self._log(self.mask(line))

    def over(self, reason: str) -> None:
        """It is over; the first reason counts."""
        if not self._over.is_set():
            self._reason = reason
            self._over.set()

    async def reason(self) -> str:
        """Wait until it is over; why."""
        await self._over.wait()
        return self._reason or "it was stopped"

    async def reason_within(self, seconds: float) -> str:
        """Why it is over, if it is, or soon will be; empty otherwise."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reason()
        except TimeoutError:
            return ""

    async def either(self, other: asyncio.Event) -> None:
        """Wait until it is over, or the event is set."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._over, other)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


@asynccontextmanager
async def transport(
    server_id: str, config: ServerConfig, bounds: tuple[Path, int], grace: Callable[[], float], ends: Ends
) -> AsyncIterator[Streams]:
    """Both directions to a server until the block ends. `bounds`: the folder of folders, and the bytes of a message."""
    folder, most = bounds
    if isinstance(config.transport, Http):
        async with connected(config.transport, most) as streams:
            yield streams
        return
    async with (
        _own(folder / server_id, config.transport) as place,
        started(config.transport, config.limits, place, grace) as child,
        _watched(child, ends) as silent,
        spoken(child, most, ends.log, silent) as streams,
    ):
        yield streams


@asynccontextmanager
async def _watched(child: Child, ends: Ends) -> AsyncIterator[Callable[[str], None]]:
    """Hear what it writes to its standard error, and how it ends; what is yielded is told that it says nothing more."""
    silence: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def silent(reason: str) -> None:
        if not silence.done():
            silence.set_result(reason)

    tasks = [asyncio.create_task(_overheard(child, ends)), asyncio.create_task(_ended(child, silence, ends))]
    try:
        yield silent
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _overheard(child: Child, ends: Ends) -> None:
    async for line in lines(child.errors, LONGEST):
        ends.log((line.head if isinstance(line, TooLong) else line).decode(errors="replace"))


async def _ended(child: Child, silence: asyncio.Future[str], ends: Ends) -> None:
    reason = await silence
    if not reason:
        try:
            async with asyncio.timeout(EXITING):
                reason = code_in_words(await child.process.wait())
        except TimeoutError:
            reason = "closed its standard output"
    ends.over(reason)


@asynccontextmanager
async def _own(folder: Path, stdio: Stdio) -> AsyncIterator[Path]:
    """An empty directory, for a server that has none."""
    if stdio.working_directory:
        yield Path(stdio.working_directory)
        return
    await asyncio.to_thread(_emptied, folder)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _emptied(folder: Path) -> None:
    """Make it, without what a server has left that ended with its node."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
