"""Temporal: `python -m tests.bench.flows.temporal ADDRESS`, a worker and a client of its development server.

The same graph as one workflow; a step is an activity that does nothing. As it comes: in a sandbox.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from tests.bench.flows.graphs import Needs
    from tests.bench.flows.side import serve

QUEUE = "bench"
PATIENCE = 30.0  # seconds, for the server to answer at first


@activity.defn
async def nothing(inputs: dict[str, dict[str, int]]) -> dict[str, int]:
    """Stands for an agent."""
    return {"inputs": len(inputs)}


@workflow.defn(name="bench")
class Walk:
    """All steps, each as soon as what it needs is done."""

    @workflow.run
    async def walked(self, graph: dict[str, list[str]]) -> dict[str, dict[str, int]]:
        """Run the graph; the outputs of its steps."""
        tasks = dict[str, asyncio.Task[None]]()
        done = dict[str, dict[str, int]]()

        async def one(name: str) -> None:
            for need in graph[name]:
                await tasks[need]
            inputs = {need: done[need] for need in graph[name]}
            done[name] = await workflow.execute_activity(nothing, inputs, start_to_close_timeout=timedelta(seconds=30))

        for name in graph:
            tasks[name] = asyncio.create_task(one(name))
        for task in tasks.values():
            await task
        return done


async def main(address: str) -> None:
    """Serve once the server answers."""
    client = await connected(address)

    async def run(graph: Needs) -> None:
        given = {name: list(needs) for name, needs in graph.items()}
        done: Mapping[str, object] = await client.execute_workflow(
            Walk.walked, given, id=str(uuid4()), task_queue=QUEUE
        )
        assert len(done) == len(graph)

    async with Worker(client, task_queue=QUEUE, workflows=[Walk], activities=[nothing]):
        await serve(run)


async def connected(address: str) -> Client:
    """A client, once the server is there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Client.connect(address)
            except RuntimeError:  # it does not listen yet
                await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # threads of its core live on, and abort the process where they meet the interpreter being taken down
