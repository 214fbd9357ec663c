"""The engine's door: where the node's own workflow engine, a process beside it, brings the steps of runs.

It is a Unix socket in a directory that this user alone can enter, and whoever comes in shows a key that is made anew at
each start. The key is handed to the engine through a pipe: no command line, environment or file ever holds it.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.places import EngineDoor

LONGEST = 107  # bytes of the path of a Unix socket
MODE = 0o700


@contextmanager
def engine_door(data_dir: Path, node_id: str) -> Iterator[EngineDoor]:
    """The door of that node, until the block ends; SettingInvalid where no socket can be."""
    name = f"{sha256(node_id.encode()).hexdigest()[:16]}.sock"  # nodes may share a data directory, as in tests
    place = (data_dir / "engine").absolute()
    if len(bytes(place / name)) > LONGEST:
        with tempfile.TemporaryDirectory(prefix="a2a-", dir=_short_place()) as short:
            yield _made(Path(short), name)
        return
    yield _made(place, name)


def _made(place: Path, name: str) -> EngineDoor:
    try:
        place.mkdir(mode=MODE, parents=True, exist_ok=True)
        place.chmod(MODE)  # whatever the umask was, or whoever made it
    except OSError as error:
        raise SettingInvalid("data_dir", f"{place} cannot be made for this user alone: {error.strerror}") from None
    return EngineDoor(f"unix:{place / name}", secrets.token_urlsafe(32))


def _short_place() -> str:
    """Where the socket of a data directory with a long name is."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= LONGEST // 2 else "/tmp"  # noqa: S108 - in a directory of its own, made for this user
