"""Figures that a node tells of itself at /metrics, as a test asks for one."""

from __future__ import annotations

import asyncio
import re
import urllib.request

from tests.e2e.nodes import RunningNode


async def figure(node: RunningNode, sample: str) -> float:
    """The value of a sample, by its name with its labels in braces where it has some."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{node.http}/metrics", timeout=60) as page:
            return str(page.read().decode())

    found = re.search(rf"^{re.escape(sample)} (\S+)$", await asyncio.to_thread(read), re.MULTILINE)
    assert found is not None, sample
    return float(found[1])
