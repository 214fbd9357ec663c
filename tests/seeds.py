"""A Postgres cluster that has the schema: made once, and copied to where a node or a test begins with one.

To make one takes seconds of work, to copy it a tenth of one. Nodes that begin with nothing are tests of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path

import asyncpg

from a2a_node import store
from a2a_node.store.embedded import embedded, held
from a2a_node.store.embedded.access import Access, free_port, kept_access
from a2a_node.store.embedded.postgres import WHEEL
from a2a_node.store.migrate import migrated
from tests.e2e.tools import BUILD, alone, run

TEMPLATE = "migrated"  # a database with the schema that nobody is connected to, to copy others from
MAKERS = ("embedded/*.py", "migrations/**/*.py", "migrate.py", "steps.py")
KEPT = 24 * 3600.0  # seconds
ROOM, SECRET = "postgres", "postgres.secret"


def sow(data_dir: Path) -> None:
    """Have a data directory that has no cluster yet begin with this one, with a password and a port."""
    if (data_dir / ROOM).exists():
        return
    seed = _seed()
    data_dir.mkdir(0o711, parents=True, exist_ok=True)
    _copy(seed, data_dir)
    kept = kept_access(seed / SECRET)
    assert kept is not None
    Access(free_port(), kept.password).write(data_dir / SECRET)


@cache
def _seed() -> Path:
    """The cluster that this software makes."""
    folder = BUILD / "seeds" / _made_of()
    with alone("seeds"):
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            _clear(folder.parent)
            with tempfile.TemporaryDirectory(prefix="a2a-seed-") as open_folder:
                made = Path(open_folder)
                made.chmod(0o711)
                run(sys.executable, "-m", __name__, str(made / "data"))  # whoever asks may be in a loop of its own
                fresh = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
                _copy(made / "data", fresh)
                fresh.rename(folder)
    return folder


def _clear(folder: Path) -> None:
    """Away with clusters of other software, but for those that tests which run may still copy."""
    for other in folder.iterdir():
        if time.time() - other.stat().st_mtime > KEPT:
            shutil.rmtree(other)


async def _grow(data_dir: Path) -> None:
    with held(data_dir) as directory:
        async with embedded(directory) as stores:
            await migrated(stores.postgres_url)
            link = await asyncpg.connect(stores.postgres_url, database="postgres", ssl=False)
            await link.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE a2a")
            await link.close()


def _copy(data_dir: Path, to: Path) -> None:
    """With owners and rights."""
    subprocess.run(["cp", "-pR", str(data_dir / ROOM), str(data_dir / SECRET), str(to)], check=True)


def _made_of() -> str:
    """A name that changes with whatever the cluster is made by."""
    made = hashlib.sha256(version(WHEEL).encode())
    folder = Path(store.__file__).parent
    for name in MAKERS:
        for file in sorted(folder.glob(name)):
            made.update(file.read_bytes())
    return made.hexdigest()[:16]


if __name__ == "__main__":
    asyncio.run(_grow(Path(sys.argv[1])))
