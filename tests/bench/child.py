"""Programs beside a measurement: each says something first, is told something, and says more at its end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from tests.bench.processes import ROOT, python

URL = "A2A_BENCH_DATABASE"


class Child:
    """Such a program, as whoever started it holds it."""

    def __init__(self, process: asyncio.subprocess.Process, first: dict[str, float]) -> None:
        self._process = process
        self.first = first

    async def end(self, told: object) -> object:
        """What it says last, once it was told something; it ends with that."""
        said, _ = await self._process.communicate(f"{told}\n".encode())
        return json.loads(said)


@asynccontextmanager
async def child(module: str, url: str) -> AsyncIterator[Child]:
    """Run a module on a database until the block ends."""
    pipe = asyncio.subprocess.PIPE
    environ = {**os.environ, URL: url}
    process = await asyncio.create_subprocess_exec(*python(module), cwd=ROOT, env=environ, stdin=pipe, stdout=pipe)
    try:
        first = await cast("asyncio.StreamReader", process.stdout).readline()
        yield Child(process, json.loads(first))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
