"""Files that their owner alone can read, whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Owner(Protocol):
    """Whom a file is to belong to."""

    @property
    def uid(self) -> int:
        """The user's number."""

    @property
    def gid(self) -> int:
        """The group's number."""


def write_private(path: Path, text: str, owner: Owner | None = None) -> None:
    """Write a file that its owner alone can read; a crash leaves the old one or the new one, never half of it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        if owner:
            os.fchown(file.fileno(), owner.uid, owner.gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    rename(fresh, path)


def rename(source: Path, target: Path) -> None:
    """Rename, and return when the new name is on the disk."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
