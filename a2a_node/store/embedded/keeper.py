"""Keeps one store running: adopts it or starts it, starts it again when it dies, stops it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from a2a_node.model.errors import StoreStartFailed
from a2a_node.store.embedded.access import Access, free_port, is_free, kept_access, new_access
from a2a_node.store.embedded.directory import DataDirectory
from a2a_node.store.embedded.files import rotate, tail
from a2a_node.store.embedded.process import Lifeline, Server, spawn

START_SECONDS: Final = 60.0  # recovering a large store after a crash takes a while
FIRST_PAUSE: Final = 0.01  # seconds between two looks at a server that starts; neither kind tells when it is ready
LONGEST_PAUSE: Final = 0.2
RETRY_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class Store(Protocol):
    """What is particular to a kind of store."""

    @property
    def name(self) -> str:
        """Its name in files and messages."""

    @property
    def signals(self) -> Sequence[str]:
        """The names of the signals that end it, the gentle one first."""

    def url(self, access: Access) -> str:
        """What clients connect to."""

    def has_fixed_password(self) -> bool:
        """Whether data are there that accept one password only, which therefore must not be lost."""

    async def prepare(self, access: Access) -> Sequence[str]:
        """Make everything ready, while no process of it lives; returns the command that starts the server."""

    async def answer(self, access: Access) -> int | None:
        """The pid of the server that accepts the password and serves our directory; None where there is none (yet)."""


class Keeper:
    """Keeps one store running from `start` to `stop`; in between, `url` is where it answers."""

    url: str

    def __init__(self, store: Store, directory: DataDirectory) -> None:
        self._store = store
        self._directory = directory
        self._log, self._secret = directory.file(store.name, "log"), directory.file(store.name, "secret")
        self._logged = 0  # bytes that the log had before this start
        self._lifeline = Lifeline(directory.file(store.name, "alive"))
        self._launched: Server | None = None
        self._server: Server | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have the store running; errors: StoreStartFailed."""
        try:
            self._access = await asyncio.to_thread(self._kept_or_new_access)
            self._server = await self._running()
        except OSError as error:  # a full disk, say
            raise self._failed(str(error)) from error
        self.url = self._store.url(self._access)
        self._watch = asyncio.create_task(self._watched(self._server))

    async def stop(self) -> None:
        """Stop the store and wait until its last process is gone."""
        try:
            if self._watch:
                self._watch.cancel()
                with suppress(asyncio.CancelledError):
                    await self._watch
        finally:
            if self._server:
                await self._server.stop(self._store.signals)

    async def _watched(self, server: Server) -> None:
        while True:
            await server.gone()
            logger.warning("the embedded %s ended by itself; starting it again", self._store.name)
            server = self._server = await self._running_again()

    async def _running_again(self) -> Server:
        while True:
            try:
                return await self._running()
            except (StoreStartFailed, OSError) as failure:
                logger.error("%s; trying again", failure)  # noqa: TRY400  the message has the server's own last words
                await asyncio.sleep(RETRY_SECONDS)

    async def _running(self) -> Server:
        """Look until a server answers; one that was launched for nothing is stopped."""
        self._logged = await asyncio.to_thread(rotate, self._log)
        self._launched = None
        try:
            async with asyncio.timeout(START_SECONDS):
                return await self._answering()
        except TimeoutError:
            await self._abandon()
            raise self._overdue() from None
        except BaseException:
            await self._abandon()
            raise

    async def _abandon(self) -> None:
        if self._launched:
            await self._launched.stop(self._store.signals)

    async def _answering(self) -> Server:
        pause = FIRST_PAUSE
        while not (server := await self._look()):
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, LONGEST_PAUSE)
        return server

    async def _look(self) -> Server | None:
        """Launch where no process of the store lives, then ask whether it answers, whoever launched it."""
        if not self._lifeline.is_held():
            await self._launch()
        pid = await self._store.answer(self._access)
        if (task := asyncio.current_task()) and task.cancelling():  # clients may swallow it: `wait_for` does on 3.11
            raise asyncio.CancelledError
        if pid is None:
            return None
        ours = self._launched if self._launched and self._launched.pid == pid else None
        return ours or Server(pid, self._lifeline)

    async def _launch(self) -> None:
        if self._launched:
            await self._bury(self._launched)
        if self._server is None:  # later, others rely on the port
            self._access = await asyncio.to_thread(self._on_free_port)
        command = await self._store.prepare(self._access)
        # Not in a thread: a cancelled wait for it would lose the child.
        self._launched = spawn(self._store.name, command, self._directory)

    async def _bury(self, server: Server) -> None:
        """Forget a server that ended while it started: a taken port is worth another try; errors: StoreStartFailed."""
        self._launched = None
        code = await server.gone()
        if is_free(self._access.port):
            raise self._failed(f"it ended with code {code}")

    def _kept_or_new_access(self) -> Access:
        if access := kept_access(self._secret):
            return access
        if self._store.has_fixed_password():
            raise self._failed(f"its data are there but {self._secret} is lost; restore that file")
        access = new_access()
        access.write(self._secret)
        return access

    def _on_free_port(self) -> Access:
        if is_free(self._access.port):
            return self._access
        access = replace(self._access, port=free_port())
        access.write(self._secret)  # before the start, so that the next owner finds what we may leave behind
        return access

    def _overdue(self) -> StoreStartFailed:
        if self._lifeline.is_held():
            return self._failed(
                "processes of an earlier start neither answer nor end; `fuser` on its .alive names them"
            )
        return self._failed(f"it did not answer within {START_SECONDS:.0f} s")

    def _failed(self, problem: str) -> StoreStartFailed:
        return StoreStartFailed(self._store.name, f"{problem}; {self._log} ends: {tail(self._log, self._logged)}")
