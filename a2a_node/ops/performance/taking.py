"""Taking a profile: from outside by py-spy where that may look into the process, else from inside."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from a2a_node.agent import AgentRefused
from a2a_node.ops.performance import flames
from a2a_node.ops.performance.sampling import profiled
from a2a_node.ops.workplace import Workplace

FAREWELL = 20.0  # seconds beyond the profile that py-spy gets
MOST_RAW = 32 << 20  # bytes
NOT_THERE = ("COMMAND_NOT_ALLOWED", "COMMAND_NOT_FOUND")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be profiled, for how many seconds, how many times a second."""

    pid: int
    seconds: int
    rate: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The stacks that were seen, how they were, and what there is to know of that."""

    stacks: Mapping[tuple[str, ...], int]
    how: str
    note: str = ""


async def from_outside(workplace: Workplace, wanted: Wanted, place: str) -> Taken:
    """A profile by py-spy, which writes into a file of the workspace; AgentRefused when it cannot look."""
    file = workplace.path("input", place)
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    told = ("--pid", str(wanted.pid), "--duration", str(wanted.seconds), "--rate", str(wanted.rate))
    command = ("py-spy", "record", *told, "--format", "raw", "--nonblocking", "--output", str(file))
    done = await workplace.run(command, seconds=wanted.seconds + FAREWELL, confined=False)
    if done.code or not await asyncio.to_thread(file.exists):
        why = " ".join((done.errors or done.output).split())[:200]
        raise AgentRefused(f"py-spy cannot look into process {wanted.pid}: {why}", reason="PROFILE_REFUSED")
    text = (await workplace.read("input", place, MOST_RAW)).decode("utf-8", "replace")
    return Taken(flames.read(text), "py-spy")


async def from_inside(wanted: Wanted) -> Taken:
    """A profile of this very process, by a thread of its own that ends with the call."""
    stop = threading.Event()
    try:
        stacks = await asyncio.to_thread(profiled, wanted.seconds, wanted.rate, stop)
    finally:
        stop.set()
    return Taken(stacks, "inside")


async def taken(workplace: Workplace, wanted: Wanted, place: str) -> Taken:
    """A profile from outside; from inside where nobody may look in and the process is this one."""
    try:
        return await from_outside(workplace, wanted, place)
    except AgentRefused as refusal:
        if wanted.pid != os.getpid() or refusal.reason not in (*NOT_THERE, "PROFILE_REFUSED"):
            raise
        found = await from_inside(wanted)
        return Taken(found.stacks, found.how, refusal.message[:300])
