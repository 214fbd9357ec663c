"""The bare engine: `python -m tests.bench.flows.engine`, DBOS alone on the Postgres that the environment names.

The same graph as one durable workflow; a step is a function of this process that does nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from dbos import DBOS, DBOSConfig, SetWorkflowID, StepOptions

from tests.bench.flows.graphs import Needs
from tests.bench.flows.side import serve


async def nothing(inputs: Mapping[str, object]) -> Mapping[str, object]:
    """Stands for an agent."""
    return {"inputs": len(inputs)}


@DBOS.workflow(name="bench")
async def walked(graph: Needs) -> Mapping[str, object]:
    """Run all steps, each as soon as what it needs is done; ids of steps are the same whoever is done first."""
    slots = {name: DBOS.reserve_step() for name in graph}
    tasks = dict[str, asyncio.Task[None]]()
    done = dict[str, object]()

    async def one(name: str) -> None:
        await asyncio.gather(*(tasks[need] for need in graph[name]))
        options: StepOptions = {"name": name, "preemptible": True}
        done[name] = await slots[name].run_async(options, nothing, {need: done[need] for need in graph[name]})

    for name in graph:
        tasks[name] = asyncio.create_task(one(name))
    await asyncio.gather(*tasks.values())
    return done


async def run(graph: Needs) -> None:
    """One run to its end, which the process itself hears of."""
    with SetWorkflowID(str(uuid4())):
        done = await walked(graph)
    assert len(done) == len(graph)


async def main(url: str) -> None:
    """Serve on a database of its own, which is dropped afterwards."""
    name = f"engine_{uuid4().hex}"
    link = await asyncpg.connect(url, ssl=False)
    await link.execute(f"CREATE DATABASE {name}")
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": urlsplit(url)._replace(path=f"/{name}").geturl(),
        "executor_id": "bench",
        "application_version": "bench",
        "enable_otlp": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    try:
        DBOS.launch()
        await serve(run)
    finally:
        DBOS.destroy()
        await link.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await link.close(timeout=1)


if __name__ == "__main__":
    asyncio.run(main(os.environ["A2A_POSTGRES_URL"]))
