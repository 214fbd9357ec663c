"""Files and folders with the right modes, whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from a2a_node.store.embedded.system import ServerUser

LOG_BYTES: Final = 1 << 20  # a log that grew beyond this is set aside, once, when its server starts
TAIL_BYTES: Final = 2000


def make_folder(path: Path, mode: int) -> None:
    """Make a folder and what is missing above it, all with this mode whatever the umask says."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def rotate(log: Path) -> int:
    """Set a long log aside, and tell how many bytes the present one has."""
    size = log.stat().st_size if log.exists() else 0
    if size <= LOG_BYTES:
        return size
    log.replace(log.with_name(f"{log.name}.1"))
    return 0


def tail(log: Path, since: int) -> str:
    """The last lines that a log got after its first `since` bytes."""
    if not log.exists():
        return "nothing"
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(since, end - TAIL_BYTES))
        return file.read().decode(errors="replace").strip() or "nothing"


def may(user: ServerUser, path: Path, wanted: int) -> bool:
    """Whether the mode of a path gives a user the wanted bits: 4 to read, 1 to enter or to run."""
    status = path.stat()
    shift = 6 if status.st_uid == user.uid else 3 if status.st_gid == user.gid else 0
    return status.st_mode >> shift & wanted == wanted


def reaches(user: ServerUser, path: Path) -> bool:
    """Whether a user may pass through every folder above a path."""
    return all(may(user, folder, 1) for folder in path.parents)
