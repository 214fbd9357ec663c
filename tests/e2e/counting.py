"""An agent whose every piece of work leaves a line in a file, so that tests can count them.

EFFECTS names the file; work that is told to `hold` begins once a file of that name with `.go` exists, and answers then
when it is told to `stay`: it has left its line before.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from a2a_node.agent import Agent
from a2a_node.model.errors import AgentRefused

agent = Agent("counting")
LOOK = 0.02  # seconds
AMPLE = "100000/s burst 100000"  # a hundred steps are done in a second, and no test of them is one of limits


def effects() -> Path:
    """Where the lines go."""
    return Path(os.environ["EFFECTS"])


@agent.capability(limit=AMPLE)
async def work(
    step: str = "",
    seconds: float = 0.0,
    hold: bool = False,  # noqa: FBT001, FBT002 - of the capability
    stay: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, str]:
    """Leave a line, and answer after a while."""
    if hold:
        _write(".held", step)
        await _allowed()
    _write("", step)
    await asyncio.sleep(seconds)
    if stay:
        await _allowed()
    return {"step": step}


@agent.capability
async def insist(step: str) -> dict[str, str]:
    """Leave a line and answer once there is a file with `.go`, however often that is cancelled."""
    waiting = asyncio.ensure_future(_allowed())
    while not waiting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)
    _write("", step)
    return {"step": step}


@agent.capability
async def large(megabytes: int) -> dict[str, str]:
    """Answer so much."""
    return {"text": "x" * megabytes * 1024 * 1024}


@agent.capability
async def refuse() -> dict[str, str]:
    """Refuse until there is a file with `.go`."""
    if not effects().with_suffix(".go").exists():
        raise AgentRefused("not yet")
    return {}


async def _allowed() -> None:
    while True:
        if effects().with_suffix(".go").exists():
            return
        await asyncio.sleep(LOOK)


def _write(suffix: str, line: str) -> None:
    with effects().with_suffix(suffix).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
