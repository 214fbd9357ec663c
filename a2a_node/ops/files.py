"""Files of a workspace, reached so that nothing outside of it is."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from a2a_node.model.errors import InvalidInput

LONGEST = 1_000  # characters of a path
PRIVATE = ".a2a"  # begins the names of folders that the workspace keeps for itself
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(field: str, text: str) -> Sequence[str]:
    """The parts of a path that leads down only; InvalidInput names the field and says what is wrong with it."""
    path = PurePosixPath(text)
    if not text or len(text) > LONGEST:
        raise InvalidInput(field, f"must be a path of 1 to {LONGEST:,} characters")
    if not text.isprintable() or "\\" in text:
        raise InvalidInput(field, "must be a path without NUL, line breaks and the like, and without backslash")
    if path.is_absolute() or ".." in path.parts or text.startswith("~"):
        raise InvalidInput(field, f"{text[:80]!r} must lead from the workspace down: no '/' or '~' first, and no '..'")
    if any(part.startswith(PRIVATE) for part in path.parts):
        raise InvalidInput(field, f"{text[:80]!r} names a folder that the workspace keeps for itself")
    return path.parts


def inside(root: Path, field: str, text: str) -> Path:
    """The place that a text names beneath a root, symbolic links followed; InvalidInput where that is elsewhere."""
    try:
        found = root.joinpath(*parts_of(field, text)).resolve()
    except (OSError, RuntimeError) as error:  # links in a circle, names that are too long
        raise InvalidInput(field, f"{text[:80]!r} leads nowhere") from error
    if not found.is_relative_to(root):
        raise InvalidInput(field, f"{text[:80]!r} leaves the workspace by a symbolic link")
    return found


def read(root: Path, field: str, text: str, most: int) -> bytes:
    """The bytes of a file, reached part by part without a symbolic link; InvalidInput."""
    with (
        _folder(root, field, text) as (folder, name),
        _described(field, text),
        os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file,
    ):
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise InvalidInput(field, f"{text[:80]!r} is no plain file")
        data = file.read(most + 1)
    if len(data) > most:
        raise InvalidInput(field, f"{text[:80]!r} has {about.st_size:,} bytes, the limit is {most:,}")
    return data


def write(root: Path, field: str, text: str, data: bytes) -> None:
    """Write a file whole or not at all, its folders too, reached part by part without a symbolic link; InvalidInput."""
    with _folder(root, field, text, make=True) as (folder, name), _described(field, text):
        fresh = f".{name[:200]}.{secrets.token_hex(4)}"
        made = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        try:
            with os.fdopen(made, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=folder)
            raise


def fresh(folder: Path, age: float) -> Path:
    """A new folder beneath another one, from which what is older than so many seconds goes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    prune(folder, age)
    return Path(tempfile.mkdtemp(dir=folder, prefix=""))


def prune(folder: Path, age: float) -> None:
    """Remove what lies in a folder and has not been changed for so many seconds."""
    for left in folder.iterdir():
        with suppress(FileNotFoundError):  # another node does the same
            if time.time() - left.lstat().st_mtime > age:
                shutil.rmtree(left, ignore_errors=True)


def size(root: Path) -> int:
    """The bytes of all files beneath a folder, links not followed; what vanishes meanwhile does not count."""
    total, waiting = 0, [str(root)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total


@contextmanager
def _folder(root: Path, field: str, text: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that a file lies in, and the file's name there."""
    *folders, name = parts_of(field, text) or (".",)
    at = os.open(root, FOLDER)
    try:
        for part in folders:
            with _described(field, text):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=at)
                below = os.open(part, FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at, name
    finally:
        os.close(at)


@contextmanager
def _described(field: str, text: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or "no reason"
        raise InvalidInput(field, f"{text[:80]!r} cannot be reached in the workspace without links: {why}") from error
