"""Files of a folder: all of them, in one order, without links and without what tools leave behind; bounded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput

MOST_FILES = 20_000
LEFT_BY_TOOLS = frozenset(
    (
        *(".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "node_modules", "__pycache__"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".eggs"),
    )
)
Stop = Callable[[], bool]  # whether nobody waits any more


def check_awaited(stop: Stop) -> None:
    """AgentRefused when nobody waits any more, so that work in a thread ends, and nothing half done is used."""
    if stop():
        raise AgentRefused("nobody waits for this any more", code="CANCELLED", reason="CALL_CANCELLED")


def files(field: str, folder: Path, most: int = MOST_FILES) -> Iterator[Path]:
    """Every plain file below a folder, or the one file that it is; links are not followed and not told.

    InvalidInput names the field when there are more than `most`, or when it is neither a file nor a folder.
    """
    if folder.is_file():
        yield folder
        return
    if not folder.is_dir():
        raise InvalidInput(field, "is not there; name a file or a folder of the workspace")
    count = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_BY_TOOLS)
        for name in sorted(names):
            file = Path(place, name)
            if file.is_symlink() or not file.is_file():
                continue
            count += 1
            if count > most:
                raise InvalidInput(field, f"has more than {most:,} files; name a smaller folder")
            yield file


def told(file: Path, folder: Path) -> str:
    """The path of a file as it is told: from the folder on, with slashes."""
    return file.name if file == folder else file.relative_to(folder).as_posix()
