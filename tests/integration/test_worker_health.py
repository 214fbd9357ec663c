"""The process beside a node that executes runs: bounded, started again when it ended, and missed by health alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from a2a_node.model.runs import RunStatus
from a2a_node.node import working
from a2a_node.node.worker import MEMORY
from tests.integration.people import Meet, Meeting, meet
from tests.unit.ops.web import fetched

__all__ = ["meet"]

PATIENCE = 120.0
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SOURCE = "name: hello\nsteps:\n  say: {agent: echo, capability: say, input: {text: hello}}\n"


async def becomes(one: Meeting, status: int, engine: str) -> None:
    """Wait until health of the service, which tells of each change, and `/readyz` say so; the node itself serves."""
    async with grpc.aio.insecure_channel(one.node.grpc_address) as channel, asyncio.timeout(PATIENCE):
        stub = health_pb2_grpc.HealthStub(channel)
        async for news in stub.Watch(health_pb2.HealthCheckRequest(service="a2amesh.v1.WorkflowService")):
            if news.status == status:
                break
        whole = await stub.Check(health_pb2.HealthCheckRequest())
        assert whole.status == SERVING
    ready = await asyncio.to_thread(fetched, f"http://{one.node.http_address}/readyz")
    assert json.loads(ready)["dependencies"]["workflows"] == engine


async def completes(one: Meeting, run_id: str) -> None:
    """Wait for the end of a run."""
    async with asyncio.timeout(PATIENCE):
        async for _ in one.dev.workflows.watch(run_id):
            pass
    assert (await one.dev.workflows.run(run_id)).status is RunStatus.COMPLETED


def worker() -> psutil.Process:
    """The process itself."""
    (found,) = [child for child in psutil.Process().children() if "engine" in child.cmdline()]
    return found


def data_limit(pid: int) -> str:
    """How many bytes of data a process may have."""
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    return next(line for line in lines if line.startswith("Max data size")).split()[3]


async def test_health_follows_the_worker_which_is_started_again(meet: Meet, monkeypatch: pytest.MonkeyPatch) -> None:
    """First it cannot be started, then it can; then it is killed."""
    command = working.COMMAND
    monkeypatch.setattr(working, "COMMAND", ("-c", "raise SystemExit(3)"))
    async with meet(workflows=True) as one:
        await one.dev.workflows.put(SOURCE)
        await becomes(one, SERVING, "idle")
        first = await one.dev.workflows.start("hello")
        await becomes(one, NOT_SERVING, "down")
        monkeypatch.setattr(working, "COMMAND", command)
        await completes(one, first.id)
        await becomes(one, SERVING, "ok")
        killed = worker()
        if sys.platform == "linux":
            assert data_limit(killed.pid) == str(MEMORY)
        os.kill(killed.pid, signal.SIGKILL)
        await completes(one, (await one.dev.workflows.start("hello")).id)
        assert worker().pid != killed.pid
