"""What a node says of itself at /metrics, as far as it tells of work that is still there."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path

import psutil

WATCHED = ("a2a_calls_in_flight", "a2a_agent_load", "a2a_open_streams", "a2a_store_connections_in_use", "a2a_tasks")
LINE = re.compile(rf"^((?:{'|'.join(WATCHED)})(?:\{{[^}}]*\}})?) ([0-9.e+-]+)$", re.MULTILINE)
# What stays once it was needed: links of a node from the two others, and its one connection for news from Redis.
LASTING = {"PeerService/Link": 2, 'connections_in_use{store="redis"}': 1, 'tasks{module="store.wakeups"}': 3}


async def read(http: str) -> Counter[str]:
    """The figures that are not zero."""

    def fetched() -> str:
        with urllib.request.urlopen(f"http://{http}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(fetched)
    return Counter({name: round(float(value)) for name, value in LINE.findall(text) if float(value)})


def links(seen: Counter[str]) -> int:
    """How many other nodes have a link to the one that says so."""
    return sum(count for name, count in seen.items() if "open_streams" in name and "PeerService/Link" in name)


def open_files(pid: int, aside: AbstractSet[int]) -> Counter[str]:
    """File descriptors of a process by what they are, connections to or at these ports aside.

    Those are the stores', whose pools have gauges, and the one that asks for the gauges.
    """
    ends = [(one.laddr.port, getattr(one.raddr, "port", 0)) for one in psutil.Process(pid).net_connections("tcp")]
    kinds = Counter(filter(None, map(_kind, Path(f"/proc/{pid}/fd").iterdir())))
    kinds["socket"] -= sum(not aside.isdisjoint(ports) for ports in ends)
    return kinds


def connections(pid: int) -> list[str]:
    """The TCP connections of a process: its own end, the other one, and how they stand."""
    seen = psutil.Process(pid).net_connections("tcp")
    return [f"{one.laddr.port} {':'.join(map(str, one.raddr))} {one.status}" for one in seen]


def _kind(descriptor: Path) -> str:
    """A file by its path, anything else without its number; nothing where it has been closed meanwhile."""
    try:
        return str(descriptor.readlink()).partition(":[")[0]
    except FileNotFoundError:
        return ""


def left(before: Counter[str], after: Counter[str]) -> Counter[str]:
    """What is there that was not there before, and does not stay once it was needed."""
    stays = {name: max((most for part, most in LASTING.items() if part in name), default=0) for name in after}
    allowed = {name: max(before[name], stays[name]) for name in after}
    return Counter({name: count - allowed[name] for name, count in after.items() if count > allowed[name]})
