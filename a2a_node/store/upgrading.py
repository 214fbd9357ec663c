"""Upgrading the schema in a process of its own: what migrations import holds 7 MB that a node never needs again.

`python -m a2a_node.store.upgrading` reads the database's URL from its standard input, so that no password stands on a
command line, and says on its standard output what went wrong.
"""

from __future__ import annotations

import asyncio
import sys

import orjson

from a2a_node.model.errors import InternalError, MeshError, revived
from a2a_node.store.migrate import HEAD, current, upgrade


async def migrated(url: str) -> None:
    """Bring the schema up to date; SchemaUnknown when it is newer than this software, StoreUnavailable."""
    if await current(url) == HEAD:
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate(url.encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise _error(said)


def _error(said: bytes) -> MeshError:
    """What the process said of its failure; InternalError when it ended without a word."""
    return revived(**orjson.loads(said)) if said else InternalError()


def _main() -> int:
    try:
        asyncio.run(upgrade(sys.stdin.read()))
    except MeshError as error:
        failure = {
            "code": error.code,
            "reason": error.reason,
            "message": error.message,
            "variables": dict(error.variables),
        }
        sys.stdout.buffer.write(orjson.dumps(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
