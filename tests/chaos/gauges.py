"""What a node says of itself at /metrics, as far as it tells of work that is still there."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections import Counter

WATCHED = ("a2a_calls_in_flight", "a2a_agent_load", "a2a_open_streams", "a2a_store_connections_in_use")
LINE = re.compile(rf"^((?:{'|'.join(WATCHED)})(?:\{{[^}}]*\}})?) ([0-9.e+-]+)$", re.MULTILINE)
LINKS = 2  # that a node of three may have from the others, whether they were dialled yet or not


async def read(http: str) -> Counter[str]:
    """The figures that are not zero."""

    def fetched() -> str:
        with urllib.request.urlopen(f"http://{http}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(fetched)
    return Counter({name: round(float(value)) for name, value in LINE.findall(text) if float(value)})


def left(before: Counter[str], after: Counter[str]) -> Counter[str]:
    """What is there that was not there before; links to other nodes come and go as they are needed."""
    allowed = {name: max(before[name], LINKS) if "/Link" in name else before[name] for name in after}
    return Counter({name: count - allowed[name] for name, count in after.items() if count > allowed[name]})
