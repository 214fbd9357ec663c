"""The data directory of a node: held by one process at a time, each store in a room of its own.

lock                                    held for the node's life; the pid inside is a courtesy to readers
postgres.secret valkey.secret           password and port, 0600
postgres.alive valkey.alive             named pipes that every process of that server holds
postgres.log valkey.log valkey.conf
postgres/ valkey/                       the data, owned by the user that runs the servers
bin/                                    copies of the servers, where that user cannot reach the originals
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from a2a_node.model.errors import DataDirectoryBusy, StoreStartFailed
from a2a_node.store.embedded.files import make_folder, reaches
from a2a_node.store.embedded.system import ServerUser, lock, server_user

DYING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A directory that this process alone holds, and the user that its servers run as (None: our own)."""

    path: Path
    user: ServerUser | None

    def file(self, store: str, kind: str) -> Path:
        """The file of a store by its kind: `alive`, `log`, `secret`, `conf`."""
        return self.path / f"{store}.{kind}"

    def room(self, store: str) -> Path:
        """The folder that belongs to a store, made where it is missing; errors: StoreStartFailed."""
        room = self.path / store
        make_folder(room, 0o700)
        if self.user:
            os.chown(room, self.user.uid, self.user.gid)
            if not reaches(self.user, room):
                raise StoreStartFailed(
                    store, f"{self.user.name}, who has to run it, cannot enter {self.path}; choose another --data-dir"
                )
        return room


def _acquire(descriptor: int, path: Path) -> None:
    """Lock the open file; a holder that is dead was killed while it started a child, which lets go in a moment."""
    patience = time.monotonic() + DYING_SECONDS
    while not lock(descriptor):
        holder = os.pread(descriptor, 20, 0).decode()
        if time.monotonic() > patience or (holder.isdigit() and _is_alive(int(holder))):
            raise DataDirectoryBusy(path, holder or "unknown")
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@contextmanager
def held(data_dir: Path) -> Iterator[DataDirectory]:
    """Hold a data directory until the block ends, made where it is missing; errors: DataDirectoryBusy."""
    path = data_dir.expanduser().resolve()
    user = server_user(path / "postgres")
    try:
        make_folder(path, 0o711 if user else 0o700)
        if user:  # it may have been made by hand, as private as temporary ones are
            path.chmod(path.stat().st_mode & 0o7777 | 0o011)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreStartFailed(
            "stores", f"{path} cannot be used: {error.strerror}; choose another --data-dir"
        ) from None
    try:
        _acquire(descriptor, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield DataDirectory(path, user)
    finally:
        os.close(descriptor)
