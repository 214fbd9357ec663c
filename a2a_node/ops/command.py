"""One command: started in a session of its own behind a guard, heard within bounds, ended with all that it started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from a2a_node.agent import AgentRefused
from a2a_node.guard import Held
from a2a_node.guarded import guarded
from a2a_node.ops.output import Kept


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
    held: Held = {
        "bounds": {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": command.file_bytes},
        "writes": [str(path) for path in command.writes],
        "hidden": str(command.hidden or ""),
        "answers": False,
    }
    async with guarded(command.argv, held, command.cwd, command.environment) as process:
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
