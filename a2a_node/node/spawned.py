"""A process of this software beside the node, with a pipe to it and one from it.

It is begun by `subprocess`, not by the loop: the loop forks, and gRPC, which has threads, complains of that on stderr.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Self

ENDING = 5.0  # seconds that a process whose output has ended gets to end itself


class Spawned:
    """A process; made by `started`."""

    def __init__(self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader) -> None:
        self._process, self._reader = process, reader
        self.gone = asyncio.Event()

    @classmethod
    async def started(cls, arguments: Sequence[str], said: bytes) -> Self:
        """A new Python with these arguments, which is told something through its stdin."""
        process = subprocess.Popen((sys.executable, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220, S603 - see above
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        spawned = cls(process, reader)
        spawned.say(said)
        return spawned

    def say(self, line: bytes) -> None:
        """Tell it something short, which the pipe takes at once; nothing where it is gone."""
        if self._process.stdin is not None:
            with suppress(OSError, ValueError):
                self._process.stdin.write(line)
                self._process.stdin.flush()

    async def lines(self) -> AsyncIterator[bytes]:
        """What it says, until it ends."""
        while line := await self._reader.readline():
            yield line

    async def ended(self) -> int:
        """Its exit code, once it has said all."""
        try:
            return await asyncio.to_thread(self._process.wait, ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait, ENDING)
        finally:
            self._close()

    def kill(self) -> None:
        """End it now, unless it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        self.gone.set()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
