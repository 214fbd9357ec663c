"""The node: whether it answers at its ports, takes our key, and what it says of its stores."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from a2a_node.cli.checks.finding import Finding, fail, ok, warn
from a2a_node.cli.checks.http import PATIENCE, HttpDoor, met
from a2a_node.cli.checks.machine import clock
from a2a_node.client import MeshClient, Tls
from a2a_node.model.errors import MeshError, Unauthenticated
from a2a_node.settings import Settings

WELL = frozenset({"ok", "idle", "off"})  # the engine of workflows has nothing to do, or is not wanted here


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node says over HTTP: whether it serves, how its stores stand, and what time it is there."""

    ready: bool
    stores: Mapping[str, str]
    time: datetime | None


async def on_node(settings: Settings) -> Sequence[Finding]:
    """All findings about the node that these settings lead to."""
    door, tls = HttpDoor.of(settings), believed(settings)
    host, port = met(settings.host), settings.grpc_port
    answer = await asyncio.to_thread(ready_answer, door)
    findings = [await grpc_door(host, port, tls), http_door(door, answer)]
    if answer:
        findings += [await key_accepted(f"{host}:{port}", tls), *stores(answer)]
    return [*findings, clock(datetime.now(UTC), answer.time if answer else None)]


def believed(settings: Settings) -> Tls | None:
    """How the clients' door is met: as clients are told, else by the certificate that the node itself shows."""
    return (Tls.of() or Tls(settings.tls_cert)) if settings.tls_cert else None


async def grpc_door(host: str, port: int, tls: Tls | None = None) -> Finding:
    """Whether a node serves gRPC at a port, or could."""
    address = f"{host}:{port}"
    if not is_used(host, port):
        return ok("gRPC", f"no node at {address}, and the port is free: `a2a-node up` starts one")
    try:
        status = await _health(address, tls)
    except MeshError as failure:
        return fail(
            "gRPC", failure.message, "correct A2A_TLS_CERT of the node, or A2A_TLS_CA and the others of clients"
        )
    except grpc.aio.AioRpcError:
        other = "stop it, or choose another --grpc-port"
        advice = f"{other}; where it is the node, A2A_TLS_CA names who signed its certificate" if tls else other
        return fail("gRPC", f"{address} is taken by something else", advice)
    if status != health_pb2.HealthCheckResponse.SERVING:
        return fail("gRPC", f"the node at {address} does not serve", "see its stores below, and its log")
    return ok("gRPC", f"a node serves at {address}")


def http_door(door: HttpDoor, answer: Answer | None) -> Finding:
    """Whether a node serves HTTP at a port, or could."""
    if answer and answer.ready:
        return ok("HTTP", f"a node is ready at {door.address}")
    if answer:
        return fail("HTTP", f"the node at {door.address} is not ready", "see its stores below, and its log")
    if is_used(door.host, door.port):
        other = "stop it, or choose another --http-port"
        advice = f"{other}; where it is the node, A2A_TLS_CERT is not what it shows" if door.context else other
        return fail("HTTP", f"{door.address} is taken by something else", advice)
    return ok("HTTP", f"{door.address} is free")


async def key_accepted(address: str, tls: Tls | None = None) -> Finding:
    """Whether the node takes the key that clients on this machine find."""
    try:
        async with MeshClient(address, tls=tls) as mesh, asyncio.timeout(PATIENCE):
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
        if state in WELL
        else warn(name, state, "calls go on without it; see what it is waiting for, and the node's log")
        for name, state in answer.stores.items()
    ]


def is_used(host: str, port: int) -> bool:
    """Whether something listens at a port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex((host, port)) == 0


def ready_answer(door: HttpDoor) -> Answer | None:
    """What a node's `/readyz` says; None where no node answers."""
    reply = door.get("/readyz")
    try:
        said = json.loads(reply.body) if reply else {}
        return Answer(said["ready"], dict(said["dependencies"]), reply.time if reply else None)
    except (ValueError, LookupError, TypeError):  # whatever it is, it is no node
        return None


async def _health(address: str, tls: Tls | None) -> int:
    channel = grpc.aio.secure_channel(address, tls.credentials()) if tls else grpc.aio.insecure_channel(address)
    async with channel:
        request = health_pb2.HealthCheckRequest()
        response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE)
        return int(response.status)
