"""`engine`: the process beside a node that executes runs. Nodes start it; for people it is no command."""

from __future__ import annotations

import asyncio
import gc

from a2a_node.cli.logs import configure_logs
from a2a_node.cli.memory import spare_the_collector
from a2a_node.node.orders import Orders


def engine() -> None:
    """Execute runs until the node says to leave, or is gone."""
    from a2a_node.node.worker import work  # noqa: PLC0415 - its imports take a while, and the node may be gone by then

    gc.disable()  # until it is at work: a start makes next to no garbage
    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        runner.run(work(_configure, spare_the_collector))


def _configure(orders: Orders) -> None:
    configure_logs(as_json=orders.json_logs, texts=orders.log_texts)


def _loop_factory() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - has no wheel for some machines
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
