"""A server's processes: started on a lifeline that all of them hold, told to stop, waited for until they are gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from a2a_node.model.errors import StoreStartFailed
from a2a_node.store.embedded import becoming
from a2a_node.store.embedded.directory import DataDirectory
from a2a_node.store.embedded.system import ServerUser

STOP_SECONDS: Final = 20.0  # granted to each signal before the next, harder one

logger = logging.getLogger(__name__)


class Lifeline:
    """A named pipe whose writing end every process of a server inherits.

    The kernel hangs it up with the last of them, whoever started them, so neither a reused pid, nor a zombie, nor a
    killed owner can make it lie.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[int]:
        """The writing end, to be inherited by a child."""
        if not self._path.exists():
            os.mkfifo(self._path, 0o600)
        end = os.open(self._path, os.O_RDWR)
        try:
            yield end
        finally:
            os.close(end)

    def is_held(self) -> bool:
        """Whether a process of the server lives."""
        if not self._path.exists():
            return False
        with self._listening() as end:
            return _has_writer(end)

    async def hung_up(self) -> None:
        """Wait until no process of the server lives."""
        if not self._path.exists():
            return
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        with self._listening() as end:
            loop.add_reader(end, event.set)
            try:
                while _has_writer(end):
                    await event.wait()
                    event.clear()
            finally:
                loop.remove_reader(end)

    @contextmanager
    def _listening(self) -> Iterator[int]:
        end = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield end
        finally:
            os.close(end)


def _has_writer(end: int) -> bool:
    try:
        return os.read(end, 1) != b""
    except BlockingIOError:
        return True


class Server:
    """A server that runs: our child, or (without one) left running by an owner of the directory that was killed."""

    def __init__(self, pid: int, lifeline: Lifeline, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._lifeline = lifeline
        self._child = child

    async def gone(self) -> int | None:
        """Wait until its last process is gone; returns the exit code where it was our child."""
        await self._lifeline.hung_up()
        return await asyncio.to_thread(self._child.wait) if self._child else None

    def _lives(self) -> bool:
        """Whether there is anything to end; of a child that can be told although its lifeline was deleted."""
        return self._lifeline.is_held() or (self._child is not None and self._child.poll() is None)

    async def stop(self, signals: Sequence[str]) -> None:
        """Send the first signal, the next ones where it does not end, and wait until it is gone."""
        for name in signals:
            if self._lives():
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.Signals[name])
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self.gone()
            except TimeoutError:
                logger.warning("process %d is still there %d s after %s", self.pid, STOP_SECONDS, name)
            else:
                return


def spawn(store: str, command: Sequence[str], directory: DataDirectory) -> Server:
    """Start a process of a store in its room, away from the terminal's signals; errors: StoreStartFailed."""
    lifeline = Lifeline(directory.file(store, "alive"))
    log = os.open(directory.file(store, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        with lifeline.held() as end:
            child = subprocess.Popen(  # noqa: S603  the program of a wheel, by its absolute path
                _as_user(directory.user, command),
                cwd=directory.room(store),
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(end,),
                start_new_session=True,
                umask=0o077,
            )
    except OSError as error:
        raise StoreStartFailed(store, f"{command[0]} cannot be run in {directory.path}: {error.strerror}") from None
    finally:
        os.close(log)
    return Server(child.pid, lifeline, child)


def _as_user(user: ServerUser | None, command: Sequence[str]) -> Sequence[str]:
    if user is None:
        return command
    return [sys.executable, "-IS", becoming.__file__, str(user.uid), str(user.gid), *command]
