"""The processes of this node: itself, and what descends from it. No others may be looked into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import AgentRefused

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Process(BaseModel):
    """One process of the node."""

    pid: int
    name: Annotated[str, Field(description="Its program, without its arguments.")]
    parent: int
    processor_seconds: float
    is_node: bool = False


def own() -> Mapping[int, Process]:
    """The node's processes by their ids; itself alone where the system does not tell."""
    here = os.getpid()
    every = {process.pid: process for process in map(_read, Path("/proc").glob("[0-9]*")) if process is not None}
    found = {here: every.get(here) or Process(pid=here, name="python", parent=os.getppid(), processor_seconds=0.0)}
    found[here].is_node = True
    grown = True
    while grown:
        more = {pid: one for pid, one in every.items() if one.parent in found and pid not in found}
        found.update(more)
        grown = bool(more)
    return found


def checked(pid: int) -> int:
    """The id itself, the node's own for 0; AgentRefused for a process that does not belong to this node."""
    pid = pid or os.getpid()
    if pid not in own():
        raise AgentRefused(
            f"process {pid} does not belong to this node; the capability `processes` lists those that do",
            code="PERMISSION_DENIED",
            reason="PROCESS_NOT_OWN",
            pid=pid,
        )
    return pid


def _read(folder: Path) -> Process | None:
    with suppress(OSError, ValueError, IndexError):
        head, _, tail = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
        fields = tail.split()
        spent = (int(fields[11]) + int(fields[12])) / TICKS
        return Process(
            pid=int(folder.name), name=head.partition("(")[2], parent=int(fields[1]), processor_seconds=round(spent, 2)
        )
    return None
