"""One trace of a call through a node, agents of every kind, three languages, and the processes of them all."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.context import detach

from a2a_node.client import MeshClient
from a2a_node.model.trace import Trace
from a2a_node.tracing.context import entered
from tests.e2e.foreign import in_go, in_typescript
from tests.e2e.nodes import RunningNode, running_node
from tests.e2e.processes import Program
from tests.integration.receiver import Receiver, Seen

NODE, AGENTS = "a2a-node", "traced-agents"
INVOKE = "a2amesh.v1.AgentService/Invoke"
OWN = [(AGENTS, "passed", "INTERNAL"), (AGENTS, INVOKE, "CLIENT")]  # a function of the application, and its call


@pytest.fixture(scope="module")
def traced(open_folder: Path, receiver: Receiver) -> Iterator[RunningNode]:
    """A node that traces, with a hosted agent, and a process with an attached one and one at an address of its own."""
    options = ("--trace-endpoint", receiver.address, "--agent", "tests.e2e.traced_chain:hosted")
    with running_node(open_folder / "traced", *options) as node:
        command = (sys.executable, "-m", "tests.e2e.traced_chain", receiver.address)
        with Program(command, node.environ) as agents:
            agents.line("ready")
            yield node


@contextmanager
def inside(trace: Trace) -> Iterator[None]:
    """Let a block run in a trace of the caller's own."""
    before = entered(trace)
    try:
        yield
    finally:
        detach(before)


def line(spans: Sequence[Seen], trace_id: int) -> list[Seen]:
    """The spans of a chain from the outermost on, each the only one below the one before."""
    ours = [span for span in spans if span.trace_id == trace_id and not span.store]
    below = {span.parent_id: span for span in ours}
    roots = [span for span in ours if span.parent_id not in {other.span_id for other in ours}]
    if len(roots) != 1 or len(below) != len(ours):
        return []
    chain = roots
    while chain[-1].span_id in below:
        chain.append(below[chain[-1].span_id])
    return chain


async def relayed(node: RunningNode, receiver: Receiver, route: list[str], count: int) -> list[Seen]:
    """Hand a text along a route in a fresh trace; its line of so many spans."""
    root = Trace(uuid4().int, 5, sampled=True)
    async with MeshClient(node.address, node.key) as mesh:
        with inside(root):
            await mesh.call(route[0], "relay", {"route": route[1:], "text": "x"})
    await receiver.until(lambda spans: len(line(spans, root.trace_id)) == count)
    return line(receiver.spans, root.trace_id)


async def test_a_call_through_three_agents_is_one_line_of_spans(traced: RunningNode, receiver: Receiver) -> None:
    """Client, node, hosted agent, attached agent, endpoint: every part names the one before as its parent."""
    route = ["traced-hosted", "traced-attached", "traced-endpoint"]
    spans = await relayed(traced, receiver, route, 12)
    assert [(span.service, span.name, span.kind) for span in spans] == [
        (NODE, INVOKE, "SERVER"),
        (NODE, "work traced-hosted/relay", "INTERNAL"),
        (NODE, "passed", "INTERNAL"),
        (NODE, INVOKE, "SERVER"),
        (NODE, "call traced-attached/relay", "CLIENT"),
        (AGENTS, "work traced-attached/relay", "SERVER"),
        *OWN,
        (NODE, INVOKE, "SERVER"),
        (NODE, "call traced-endpoint/relay", "CLIENT"),
        (AGENTS, "work traced-endpoint/relay", "SERVER"),
        OWN[0],
    ]
    assert {span.code for span in spans} == {"UNSET"}
    calls = [span.attributes["a2a.call"] for span in spans if "a2a.call" in span.attributes]
    assert len(set(calls)) == len(route)


async def test_go_and_typescript_pass_the_trace_on(
    traced: RunningNode, receiver: Receiver, go_examples: Path, typescript_examples: Path
) -> None:
    """They make no spans; what they call is below the node's span of the call to them."""
    with ExitStack() as programs:
        for foreign in (in_go(go_examples), in_typescript(typescript_examples)):
            programs.enter_context(foreign.attached(traced))
        spans = await relayed(traced, receiver, ["relay-go", "relay-typescript", "traced-attached"], 8)
    assert [(span.service, span.name) for span in spans] == [
        (NODE, INVOKE),
        (NODE, "call relay-go/relay"),
        (NODE, INVOKE),
        (NODE, "call relay-typescript/relay"),
        (NODE, INVOKE),
        (NODE, "call traced-attached/relay"),
        (AGENTS, "work traced-attached/relay"),
        (AGENTS, "passed"),
    ]
