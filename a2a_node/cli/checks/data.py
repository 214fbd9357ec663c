"""The data directory: whether a node can use it, who holds it, and who may read its key."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from a2a_node.cli.checks.finding import Finding, fail, ok, warn
from a2a_node.model.errors import DataDirectoryBusy, StoreStartFailed
from a2a_node.model.places import KEY_FILE
from a2a_node.store.embedded import held

PRIVATE = 0o600


def in_data_dir(place: Path) -> Sequence[Finding]:
    """All findings about the data directory."""
    return (directory(place), key(place / KEY_FILE))


def directory(place: Path) -> Finding:
    """Whether a node can use the directory, or one does."""
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return fail("data directory", f"{existing} is not writable", "choose another --data-dir, or change its owner")
    if existing != place:
        return ok("data directory", f"{place} will be made by the first start")
    try:
        with held(place):
            return ok("data directory", f"{place} is free")
    except DataDirectoryBusy as busy:
        return ok("data directory", f"{place} is held by process {busy.variables['pid']}")
    except StoreStartFailed as failure:
        return fail("data directory", failure.message, "choose another --data-dir")


def key(file: Path) -> Finding:
    """Whether the development key is there, and its owner's alone."""
    if not file.exists():
        return ok("key", f"{file} will be made by the first start")
    if not os.access(file, os.R_OK):
        return warn("key", f"{file} belongs to somebody else", "set A2A_KEY, or run this as the node's own user")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & ~PRIVATE:
        return fail("key", f"{file} has mode {mode:04o}", f"others may read it: chmod {PRIVATE:o} {file}")
    return ok("key", f"{file} is private")
