"""The port for probes: health alone, for those who bring neither keys nor certificates."""

from __future__ import annotations

import socket
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from a2a_node.model.errors import SettingInvalid
from tests.integration.certificates import Authority
from tests.integration.conftest import Running
from tests.ports import free_port

INVOKE = "/a2amesh.v1.AgentService/Invoke"
STATUS = health_pb2.HealthCheckResponse
SERVICE = "a2amesh.v1.AgentService"


@pytest.fixture
def port() -> int:
    """A port that is free."""
    return free_port()


async def asked(channel: grpc.aio.Channel, service: str) -> int:
    """How the service stands."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def test_a_node_with_tls_answers_probes_that_know_nothing_of_it(
    running_node: Running, tmp_path: Path, port: int
) -> None:
    """For the node and for each service, until it drains; nothing else is answered there."""
    key, certificate, ca = Authority().laid(tmp_path, "node", [x509.DNSName("localhost")])
    secured = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": ca}
    async with (
        running_node(health_port=port, **secured) as (node, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        assert [await asked(channel, name) for name in ("", SERVICE)] == [STATUS.SERVING, STATUS.SERVING]
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(INVOKE, None, None)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        await node.drained()
        assert await asked(channel, "") == STATUS.NOT_SERVING
        assert await asked(channel, "grpc.health.v1.Health") == STATUS.SERVING, "it is alive"


async def test_a_port_that_somebody_has_is_named(running_node: Running) -> None:
    """The node does not start without its probes."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingInvalid, match="health_port"):
        async with running_node(health_port=int(taken.getsockname()[1])):
            pytest.fail("it started")
