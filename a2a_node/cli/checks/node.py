"""The node: whether it answers at its ports, takes our key, and what it says of its stores."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from a2a_node.cli.checks.finding import Finding, fail, ok, warn
from a2a_node.cli.checks.machine import clock
from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError, Unauthenticated
from a2a_node.settings import Settings

PATIENCE = 3.0  # seconds that an answer may take
WELL = "ok"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node says over HTTP: whether it serves, how its stores stand, and what time it is there."""

    ready: bool
    stores: Mapping[str, str]
    time: datetime | None


async def on_node(settings: Settings) -> Sequence[Finding]:
    """All findings about the node that these settings lead to."""
    host = settings.host
    answer = await asyncio.to_thread(ready_answer, host, settings.http_port)
    findings = [await grpc_door(host, settings.grpc_port), http_door(host, settings.http_port, answer)]
    if answer:
        findings += [await key_accepted(f"{host}:{settings.grpc_port}"), *stores(answer)]
    return [*findings, clock(datetime.now(UTC), answer.time if answer else None)]


async def grpc_door(host: str, port: int) -> Finding:
    """Whether a node serves gRPC at a port, or could."""
    address = f"{host}:{port}"
    if not is_used(host, port):
        return ok("gRPC", f"no node at {address}, and the port is free: `a2a-node up` starts one")
    try:
        status = await _health(address)
    except grpc.aio.AioRpcError:
        return fail("gRPC", f"{address} is taken by something else", "stop it, or choose another --grpc-port")
    if status != health_pb2.HealthCheckResponse.SERVING:
        return fail("gRPC", f"the node at {address} does not serve", "see its stores below, and its log")
    return ok("gRPC", f"a node serves at {address}")


def http_door(host: str, port: int, answer: Answer | None) -> Finding:
    """Whether a node serves HTTP at a port, or could."""
    address = f"http://{host}:{port}"
    if answer and answer.ready:
        return ok("HTTP", f"a node is ready at {address}")
    if answer:
        return fail("HTTP", f"the node at {address} is not ready", "see its stores below, and its log")
    if is_used(host, port):
        return fail("HTTP", f"{address} is taken by something else", "stop it, or choose another --http-port")
    return ok("HTTP", f"{address} is free")


async def key_accepted(address: str) -> Finding:
    """Whether the node takes the key that clients on this machine find."""
    try:
        async with MeshClient(address) as mesh, asyncio.timeout(PATIENCE):
            entry = await mesh.nodes.get()
    except Unauthenticated as refusal:
        return fail("access", refusal.message, "set A2A_KEY, or A2A_DATA_DIR to the directory of that node")
    except MeshError as failure:
        return fail("access", failure.message, "see the node's log")
    except TimeoutError:
        return fail("access", f"no answer within {PATIENCE:.0f} s", "see the node's log")
    return ok("access", f"node {entry.node.id} {entry.node.version} takes our key")


def stores(answer: Answer) -> Sequence[Finding]:
    """How the node's stores stand, in its own words."""
    return [
        ok(name, state)
        if state == WELL
        else warn(name, state, "calls go on without it; see what it is waiting for, and the node's log")
        for name, state in answer.stores.items()
    ]


def is_used(host: str, port: int) -> bool:
    """Whether something listens at a port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex((host, port)) == 0


def ready_answer(host: str, port: int) -> Answer | None:
    """What a node's `/readyz` says; None where no node answers."""
    connection = HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        said, date = json.loads(response.read(1 << 16)), response.headers["Date"]
        return Answer(said["ready"], dict(said["dependencies"]), parsedate_to_datetime(date) if date else None)
    except (OSError, HTTPException, ValueError, LookupError, TypeError):  # whatever it is, it is no node
        return None
    finally:
        connection.close()


async def _health(address: str) -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest()
        response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE)
        return int(response.status)
