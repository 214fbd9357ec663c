"""The audit while Postgres is away: events wait in bounded memory, and what cannot be recorded is not done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditFilter
from a2a_node.model.errors import DeadlineExceeded
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from tests.integration.store.lines import lined
from tests.integration.test_metrics import metrics, value

PATIENCE = 60.0
QUEUE = 100


async def test_events_wait_for_postgres_and_changes_for_room(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    """A hundred are made and recorded later; the next one waits until its deadline and is not made."""
    ports = {"grpc_port": 0, "peer_port": 0, "http_port": 0}
    chosen = {"data_dir": tmp_path, "drain": 1.0, "audit_queue": QUEUE, "default_deadline": 5.0}
    settings = Settings.model_validate({**chosen, **ports})
    async with (
        lined(postgres_url) as (through, line),
        running(settings, through, redis_url) as node,
        MeshClient(node.grpc_address, node.key_file.read_text().strip()) as mesh,
    ):
        await mesh.cache.set("before", 0)
        await written(mesh, 1)
        await none_waits(node)
        line.cut()
        for number in range(QUEUE):
            await mesh.cache.set(f"k-{number}", number)
        with pytest.raises(DeadlineExceeded):
            await mesh.cache.set("never", 1)
        assert await mesh.cache.get("never") is None
        assert await mesh.call("echo", "say", {"text": "x"}) == {"text": "x"}
        await line.restore()
        await written(mesh, QUEUE + 1)
        assert (await mesh.audit.verify()).intact
        await mesh.cache.set("after", 1)


async def written(mesh: MeshClient, many: int) -> None:
    """Wait until so many values were recorded."""
    async with asyncio.timeout(PATIENCE):
        while len([event async for event in mesh.audit.list(AuditFilter(action="cache:*"))]) < many:
            continue


async def none_waits(node: Node) -> None:
    """Wait until the node knows that all its events are recorded, which it hears after everybody may read them."""
    async with asyncio.timeout(PATIENCE):
        while value(await metrics(node), "a2a_audit_queue"):
            continue
