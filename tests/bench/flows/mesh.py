"""The mesh: `python -m tests.bench.flows.mesh ADDRESS`, a client that starts runs at a node and hears of their ends.

The same graphs as templates; a step is a call of the node's own agent `echo`, through all of its layers.
"""

from __future__ import annotations

import sys

import uvloop

from a2a_node.client import MeshClient
from a2a_node.model.runs import RunStatus
from tests.bench.flows.graphs import GRAPHS, Needs
from tests.bench.flows.side import serve


def source(graph: Needs) -> str:
    """The template of a graph."""
    lines = [f"name: bench-{len(graph)}", "steps:"]
    for name, needs in graph.items():
        words = ["agent: echo", "capability: say", f"input: {{text: {name}}}", f"needs: [{', '.join(needs)}]"]
        lines.append(f"  {name}: {{{', '.join(words)}}}")
    return "\n".join(lines)


async def main(address: str) -> None:
    """Serve once the templates are put."""
    async with MeshClient(address) as mesh:

        async def run(graph: Needs) -> None:
            started = await mesh.workflows.start(f"bench-{len(graph)}", {})
            ended = started
            async for event in mesh.workflows.watch(started.id):
                ended = event.run or ended
            assert ended.status is RunStatus.COMPLETED, f"{ended.status} {ended.error}"

        for graph in GRAPHS.values():
            await mesh.workflows.put(source(graph))
        await serve(run)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
