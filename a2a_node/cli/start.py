"""`up` and `serve`: a node in the foreground, on stores of its own or on those of the mesh."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from a2a_node.cli.announce import Arrival, announce
from a2a_node.cli.memory import share_arenas, spare_the_collector
from a2a_node.cli.settings import takes_settings, variable
from a2a_node.cli.stopping import Stopping, until_stopped
from a2a_node.model.errors import SettingInvalid

if TYPE_CHECKING:
    from a2a_node.settings import Settings

logger = logging.getLogger(__name__)
Running = Callable[[Stopping], Awaitable[None]]
STORES = ("postgres_url", "redis_url")


@takes_settings()
def up(settings: Settings) -> None:
    """Run a node on an embedded Postgres and Valkey of its own: nothing to install, nothing to set."""
    _run(settings, partial(_on_own_stores, settings))


@takes_settings()
def serve(settings: Settings) -> None:
    """Run a node on the Postgres and the Redis of a mesh, named by A2A_POSTGRES_URL and A2A_REDIS_URL."""
    for name in STORES:
        if not getattr(settings, name).get_secret_value():
            raise SettingInvalid(name, f"is needed; set {variable(name)}, or use `a2a-node up`, which brings its own")
    _run(settings, partial(_on_given_stores, settings))


async def _on_own_stores(settings: Settings, stopping: Stopping) -> None:
    from a2a_node.store.embedded import embedded, held  # noqa: PLC0415 - `--help` does not need it

    for name in STORES:
        if getattr(settings, name).get_secret_value():
            logger.warning(
                "%s is not used: `up` brings its own stores, `serve` takes those of the mesh", variable(name)
            )
    with held(settings.data_dir) as directory:
        logger.info("starting Postgres and Valkey in %s", directory.path)
        async with embedded(directory) as stores:
            await _serve(settings, stores.postgres_url, stores.redis_url, stopping)


async def _on_given_stores(settings: Settings, stopping: Stopping) -> None:
    from a2a_node.store.embedded import held  # noqa: PLC0415 - as above

    # the node's id and key lie in the directory: two nodes on it would be one to the mesh
    with held(settings.data_dir):
        postgres_url, redis_url = settings.postgres_url.get_secret_value(), settings.redis_url.get_secret_value()
        await _serve(settings, postgres_url, redis_url, stopping)


async def _serve(settings: Settings, postgres_url: str, redis_url: str, stopping: Stopping) -> None:
    from a2a_node.node import running  # noqa: PLC0415 - imports the whole house

    if settings.batch_scheduling:
        _schedule_in_batches()  # not earlier: the stores keep the policy that they were started with
    async with running(settings, postgres_url, redis_url) as node:
        spare_the_collector()
        secured = settings.tls_cert is not None
        https = settings.http_secured
        announce(Arrival(node.id, node.grpc_address, node.http_address, node.key_file, secured, https))
        await stopping.wished(node.asked_to_drain)
        if left := await node.drained():
            logger.warning("%d calls were cut off: they did not end within the time to drain", left)
    # Failures of the last calls and their frames hold each other, and channels of gRPC with them, whose threads end as
    # they go: here and now, rather than in whatever thread collects next, or while the interpreter ends.
    gc.collect()


def _run(settings: Settings, work: Running) -> None:
    from a2a_node import lean  # noqa: F401, PLC0415 - before all that it makes lighter
    from a2a_node.cli.logs import configure_logs  # noqa: PLC0415 - as above

    gc.disable()  # a start makes next to no garbage, and collections took 0.2 s of its 1.4
    share_arenas()
    configure_logs(as_json=settings.json_logs, texts=settings.log_texts)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(until_stopped(work))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - has no wheel for some machines
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _schedule_in_batches() -> None:
    """Ask for SCHED_BATCH, where the system knows it: 1.35 times the calls per second, as gRPC wakes up less often."""
    if sys.platform != "linux":
        return
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except PermissionError:  # some sandboxes allow no change of policy
        logger.warning("the system refuses SCHED_BATCH; --no-batch-scheduling asks no more")
