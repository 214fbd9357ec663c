"""Tasks are counted by whose they are."""

from __future__ import annotations

import asyncio

from a2a_node.mesh.background import background
from a2a_node.web.tasks import Tasks
from a2a_node.wire.awake import Awake


async def counted(tasks: Tasks) -> dict[str, float]:
    """What is told, in the thread that writes the page."""
    (family,) = await asyncio.to_thread(lambda: [*tasks.collect()])
    return {sample.labels["module"]: sample.value for sample in family.samples}


async def for_ever() -> None:
    """Be a task that is not the node's."""
    await asyncio.Event().wait()


async def test_tasks_are_told_by_module_while_they_last() -> None:
    """What is not ours counts together."""
    tasks = Tasks()
    before = await counted(tasks)
    async with Awake.watching(), Awake.watching(), background(for_ever):
        now = await counted(tasks)
        assert now["wire.awake"] == 2
        assert now["other"] == before["other"] + 1
    assert await counted(tasks) == before
