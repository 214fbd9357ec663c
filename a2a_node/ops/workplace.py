"""Where ops agents work: a directory that they cannot leave, and the commands that they may run, both within limits."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from a2a_node.agent import AgentRefused
from a2a_node.mesh.background import background
from a2a_node.ops import files
from a2a_node.ops.command import Command, Finished, finished
from a2a_node.ops.programs import Programs

MEASURED_EVERY = 2.0  # seconds between two looks at how much a command has written
HOME, TEMPORARY = f"{files.PRIVATE}/home", f"{files.PRIVATE}/run"  # folders of commands
WEEK = 7 * 86_400.0
STALE = 86_400.0  # seconds after which a temporary folder belongs to a command of a node that was killed


@dataclass(frozen=True, slots=True)
class Limits:
    """What agents may use in all; a command's own time can only be shorter."""

    seconds: float = 600.0  # of one command
    output_bytes: int = 256 * 1024  # that are kept of what a command prints, of each of its two streams
    workspace_bytes: int = 4 * 1024**3
    commands: int = 4  # at a time; more wait


class Workplace:
    """One directory, the programs that may be run there, and the limits of both; shared by all ops agents of a node.

    Nodes that host the same agents share the directory, for a step's path is read by whichever node runs the next one.
    """

    def __init__(
        self, root: Path, commands: Programs, limits: Limits | None = None, *, hidden: Path | None = None
    ) -> None:
        """Commands may not read what is `hidden`, the workspace aside, where the kernel can keep them from it."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root = root.resolve()
        self.limits = limits or Limits()
        self._programs = commands
        self._hidden = hidden and hidden.resolve()
        self._turns = asyncio.Semaphore(self.limits.commands)
        for name in (HOME, TEMPORARY):
            (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        files.prune(self.root / TEMPORARY, STALE)

    def path(self, field: str, text: str) -> Path:
        """The place that a text names in the workspace, its symbolic links followed; InvalidInput where it is outside.

        For files that are read or written right here `read` and `write` are safer: nobody can put a link in between.
        """
        return files.inside(self.root, field, text)

    def told(self, path: Path) -> str:
        """How a path in the workspace is told to others: from the workspace on."""
        return path.relative_to(self.root).as_posix()

    async def read(self, field: str, text: str, most: int) -> bytes:
        """The bytes of a file, reached without any symbolic link; InvalidInput for over `most`, or none."""
        return await asyncio.to_thread(files.read, self.root, field, text, most)

    async def write(self, field: str, text: str, data: bytes) -> None:
        """Write a file whole, its folders too, reached without any symbolic link; InvalidInput."""
        self.check_room(await asyncio.to_thread(files.size, self.root), len(data))
        await asyncio.to_thread(files.write, self.root, field, text, data)

    async def fresh(self, kind: str) -> Path:
        """A new folder of its own beneath `kind`; those there that are older than a week go."""
        return await asyncio.to_thread(files.fresh, self.root / kind, WEEK)

    def check_room(self, used: int, more: int = 0) -> None:
        """AgentRefused when the workspace would hold more than it may."""
        if used + more > self.limits.workspace_bytes:
            most = self.limits.workspace_bytes
            raise AgentRefused(
                f"the workspace holds {used:,} bytes, and {most:,} are its limit; prune what is old there",
                code="RESOURCE_EXHAUSTED",
                reason="WORKSPACE_FULL",
                used=used,
                limit=most,
            )

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        seconds: float = 0.0,
        environment: Mapping[str, str] | None = None,
        confined: bool = True,
    ) -> Finished:
        """Run a program of the allow-list, by its name, until it and all that it started have ended.

        AgentRefused: COMMAND_NOT_ALLOWED, COMMAND_NOT_FOUND, COMMAND_TIMED_OUT, WORKSPACE_FULL. A program that ends
        with another code than 0 is no error here. Where the kernel can (Linux with Landlock), it writes nowhere else
        than in the workspace, unless it is not `confined`, as what looks into other processes must not be.
        """
        program = self._programs.path(argv[0])
        async with self._turns, self._temporary() as temporary:
            used = await asyncio.to_thread(files.size, self.root)
            self.check_room(used, 1)
            command = Command(
                argv=(str(program), *argv[1:]),
                cwd=self._folder(cwd),
                environment={**self._environment(temporary), **(environment or {})},
                seconds=min(seconds or self.limits.seconds, self.limits.seconds),
                output_bytes=self.limits.output_bytes,
                file_bytes=self.limits.workspace_bytes - used,
                writes=(self.root,) if confined else (),
                hidden=self._hidden,
            )
            async with background(self._watch):
                return await finished(command)

    def _folder(self, cwd: Path | None) -> Path:
        folder = (cwd or self.root).resolve()
        if not folder.is_relative_to(self.root):  # an agent's fault: what it was told it has to read with `path`
            raise ValueError(f"{folder} is no folder of the workspace")
        return folder

    def _environment(self, temporary: str) -> Mapping[str, str]:
        """All that a command knows of its surroundings; nothing of the node's own, which may hold secrets."""
        return {
            "PATH": self._programs.search_path(),
            "HOME": str(self.root / HOME),
            "TMPDIR": temporary,
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONNOUSERSITE": "1",
        }

    @asynccontextmanager
    async def _temporary(self) -> AsyncIterator[str]:
        made = await asyncio.to_thread(tempfile.mkdtemp, dir=self.root / TEMPORARY)
        try:
            yield made
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, made, ignore_errors=True))

    async def _watch(self) -> None:
        """End the command that this runs beside once the workspace holds more than it may."""
        while True:
            await asyncio.sleep(MEASURED_EVERY)
            self.check_room(await asyncio.to_thread(files.size, self.root))
