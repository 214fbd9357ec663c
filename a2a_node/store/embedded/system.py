"""What the launcher asks of the operating system; where it is no Unix, the answer is a clear refusal."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from a2a_node.model.errors import StoreStartFailed

SET_INSTEAD: Final = "set A2A_POSTGRES_URL and A2A_REDIS_URL"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that the stores run as when the node runs as root, which Postgres refuses."""

    name: str
    uid: int
    gid: int


if sys.platform == "win32":

    def lock(descriptor: int) -> bool:  # noqa: ARG001
        """Refuse: neither store has a wheel for Windows."""
        raise StoreStartFailed("Postgres", f"there is no wheel of it for Windows; {SET_INSTEAD}")

    def server_user(room: Path) -> ServerUser | None:  # noqa: ARG001
        """Nobody in particular."""
        return None

else:
    import fcntl
    import pwd

    def lock(descriptor: int) -> bool:
        """Lock an open file until it is closed; False where somebody else has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def server_user(room: Path) -> ServerUser | None:
        """The user to run the stores as: None for ourselves, otherwise the owner of the existing room, or `nobody`."""
        if os.geteuid() != 0:
            return None
        status = room.stat() if room.exists() else None
        if status and status.st_uid != 0:
            return ServerUser(f"user {status.st_uid}", status.st_uid, status.st_gid)
        nobody = pwd.getpwnam("nobody")
        return ServerUser(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
