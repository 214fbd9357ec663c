"""Sites on disk: immutable releases side by side, and one link that says which of them is served.

sites/<site>/releases/<release>/    what was staged, named by the digest of what it holds
sites/<site>/current                a link to one of them, replaced by a rename: readers see the old or the new one
sites/<site>/history.json           the releases that were switched to, the last one last
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput

REMEMBERED = 100  # switches
MOST_FILES = 50_000  # of one release
CHUNK = 1024 * 1024
PATIENCE = 30.0  # seconds that one change of a site waits for another


@dataclass(frozen=True, slots=True)
class Staged:
    """A release that lies there."""

    release: str
    files: int
    bytes: int


class Site:
    """One site beneath a folder, changed by one at a time on all nodes that share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.releases, self._link = folder / "releases", folder / "current"

    def current(self) -> str:
        """The release that is served; empty where none is."""
        return self._link.readlink().name if self._link.is_symlink() else ""

    def previous(self) -> str:
        """The release that was served before the current one; empty where none was."""
        history = self._history()
        return history[-2] if len(history) > 1 and history[-1] == self.current() else ""

    def stage(self, source: Path) -> Staged:
        """Copy a file or folder as a release; the same content is the same release. InvalidInput for its links."""
        with self._alone():
            fresh = self.releases / f".new-{secrets.token_hex(4)}"
            try:
                _copy(source, fresh)
                staged = _measured(fresh)
                target = self.releases / staged.release
                if target.exists():
                    os.utime(target)  # it was staged just now, as pruning sees it
                else:
                    fresh.rename(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return staged

    def switch(self, release: str) -> str:
        """Serve a release from now on; the one that was served before. InvalidInput when there is no such release."""
        with self._alone():
            if not (self.releases / release).is_dir():
                raise InvalidInput("input.release", f"{release!r} is no release of this site; stage it first")
            if release != self.current():
                self._point_to(release)
                self._remember([*self._history(), release])
            return self.previous()

    def roll_back(self, release: str, to: str) -> bool:
        """Serve `to` again, or nothing where it is empty, if `release` is what is served now; whether it was."""
        with self._alone():
            if self.current() != release:
                return False
            if to and not (self.releases / to).is_dir():
                raise InvalidInput("input.to", f"{to!r} is no release of this site any more; it was pruned")
            if to:
                self._point_to(to)
            else:
                self._link.unlink()
            self._remember([*self._history()[:-1], *([to] if to and self._history()[-2:-1] != [to] else [])])
            return True

    def prune(self, keep: int) -> Sequence[str]:
        """Remove all but the newest releases; the current and the previous one stay in any case."""
        with self._alone():
            spared = {self.current(), self.previous()}
            found = [each for each in self.releases.iterdir() if not each.name.startswith(".")]
            old = sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)[keep:]
            gone = [each for each in old if each.name not in spared]
            for each in gone:
                shutil.rmtree(each)
        return [each.name for each in gone]

    def _point_to(self, release: str) -> None:
        fresh = self._folder / f".current-{secrets.token_hex(4)}"
        fresh.symlink_to(Path("releases") / release)
        fresh.replace(self._link)

    def _history(self) -> Sequence[str]:
        try:
            told: Sequence[str] = json.loads((self._folder / "history.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return told

    def _remember(self, history: Sequence[str]) -> None:
        fresh = self._folder / ".history.json.new"
        fresh.write_text(json.dumps(history[-REMEMBERED:]), encoding="utf-8")
        fresh.replace(self._folder / "history.json")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the site in the block, in whichever process; AgentRefused when that takes too long."""
        self.releases.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + PATIENCE
        with (self._folder / ".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise AgentRefused("somebody else is changing this site", code="ABORTED") from None
                    time.sleep(0.02)
            yield


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        for name in _links(source):
            if not (source / name).resolve().is_relative_to(source):
                raise InvalidInput("input.source", f"has a link that leads out of it: {name}")
        shutil.copytree(source, target, symlinks=True)
    else:
        target.mkdir()
        shutil.copy2(source, target / source.name)
    target.chmod(0o755)


def _links(folder: Path) -> Iterator[str]:
    """The links beneath a folder; InvalidInput for what cannot be released."""
    for count, path in enumerate(folder.rglob("*")):
        mode = path.lstat().st_mode
        if count > MOST_FILES:
            raise InvalidInput("input.source", f"has over {MOST_FILES:,} files")
        if stat.S_ISLNK(mode):
            yield path.relative_to(folder).as_posix()
        elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InvalidInput("input.source", f"has what is no file: {path.relative_to(folder)}")


def _measured(folder: Path) -> Staged:
    """A release by what it holds: the names, modes and contents of its files, and where its links lead."""
    digest, files, size = hashlib.sha256(), 0, 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix().encode()
        if path.is_symlink():
            digest.update(b"link\0%b\0%b\0" % (name, os.fsencode(path.readlink())))
        elif path.is_file():
            files, size = files + 1, size + path.stat().st_size
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            digest.update(b"file\0%b\0%d\0%b" % (name, executable, content))
    return Staged(digest.hexdigest()[:16], files, size)
