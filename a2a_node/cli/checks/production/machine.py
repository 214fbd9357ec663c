"""The machine of the node: memory and disk that are left, with the bounds of its control group."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from a2a_node.cli.checks.finding import Finding
from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.settings import Settings

LEAST_MEMORY = 256 << 20  # bytes: a node, its engine, and a spare
LEAST_DISK = 0.1  # of the file system
LEAST_CPUS = 2
MEMINFO, GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """What is left, in bytes; `memory` is None where the system does not tell."""

    memory: int | None
    disk: int
    whole_disk: int
    cpus: int


@item
def memory_left(machine: Machine) -> Verdict:
    """A process that gets none is killed."""
    if machine.memory is None:
        return wants(met=False, message="this system does not tell how much memory is left", advice="look by hand")
    message = f"{machine.memory >> 20} MiB of memory are left"
    return needs(machine.memory >= LEAST_MEMORY, message, "give the machine or the container more")


@item
def disk_left(machine: Machine) -> Verdict:
    """Logs and certificates are written there, and embedded stores."""
    share = machine.disk / machine.whole_disk
    return needs(share >= LEAST_DISK, f"{share:.0%} of the disk are free", "make room, or choose another A2A_DATA_DIR")


@item
def processors(machine: Machine) -> Verdict:
    """One for the node and one for the engine beside it."""
    return wants(machine.cpus >= LEAST_CPUS, f"{machine.cpus} processors", f"give it {LEAST_CPUS} or more")


CHECKS: Sequence[Item[Machine]] = (memory_left, disk_left, processors)


def on_machine(settings: Settings) -> Sequence[Finding]:
    """All findings about this machine."""
    place = settings.data_dir
    usage = shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists()))
    machine = Machine(memory(_meminfo(), GROUP), usage.free, usage.total, _cpus())
    return [check(machine) for check in CHECKS]


def memory(meminfo: Mapping[str, int], group: Path) -> int | None:
    """Bytes that are left of the machine's memory, and of the control group's where that has less."""
    available = meminfo.get("MemAvailable")
    most, used = _number(group / "memory.max"), _number(group / "memory.current")
    bounded = [most - used] if most is not None and used is not None else []
    return min([*bounded, *([] if available is None else [available])], default=None)


def _meminfo() -> Mapping[str, int]:
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if rest}


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such control group, or one without a bound: `max`
        return None


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
