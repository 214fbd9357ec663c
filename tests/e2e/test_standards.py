"""What ready-made tools find at a node: grpcurl, grpc-health-probe, reflection under both names, channelz."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from a2amesh.v1 import (
    access_service_pb2,
    agent_host_service_pb2,
    agent_service_pb2,
    audit_service_pb2,
    cache_service_pb2,
    limit_service_pb2,
    registry_service_pb2,
    session_service_pb2,
    tool_service_pb2,
    workflow_service_pb2,
)
from tests.e2e.nodes import RunningNode

FILES = (
    access_service_pb2,
    agent_host_service_pb2,
    agent_service_pb2,
    audit_service_pb2,
    cache_service_pb2,
    limit_service_pb2,
    registry_service_pb2,
    session_service_pb2,
    tool_service_pb2,
    workflow_service_pb2,
)
CONTRACT = {service.full_name: service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()}
OWN = [
    "a2amesh.v1.AccessService",
    "a2amesh.v1.AgentHostService",
    "a2amesh.v1.AgentService",
    "a2amesh.v1.AuditService",
    "a2amesh.v1.CacheService",
    "a2amesh.v1.LimitService",
    "a2amesh.v1.PeerService",
    "a2amesh.v1.RegistryService",
    "a2amesh.v1.SessionService",
    "a2amesh.v1.ToolService",
    "a2amesh.v1.WorkflowService",
]
STANDARD = [
    "grpc.channelz.v1.Channelz",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(node: RunningNode, grpcurl: Path) -> Ask:
    """Runs grpcurl: options, then what follows the address."""

    def ask(*options: str, then: tuple[str, ...], key: bool = False) -> subprocess.CompletedProcess[str]:
        header = ("-H", f"authorization: Bearer {node.key}") if key else ()
        command = (str(grpcurl), "-plaintext", *header, *options, node.address, *then)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return ask


def invoke(agent: str, capability: str, said: object) -> str:
    """The JSON of a request."""
    return json.dumps({"agent": agent, "capability": capability, "input": {"struct": said}})


def test_grpcurl_lists_every_service(ask: Ask) -> None:
    """All services that the node offers are listed, without a key."""
    listed = ask(then=("list",))
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split() == sorted([*OWN, *STANDARD])


def test_grpcurl_describes_everything(ask: Ask) -> None:
    """Describe without a name tells every service."""
    described = ask(then=("describe",))
    assert described.returncode == 0, described.stderr
    for service in (*OWN, *STANDARD):
        assert f"{service} is a service:" in described.stdout


@pytest.mark.parametrize("service", [*OWN, *STANDARD])
def test_grpcurl_describes_each_service(ask: Ask, service: str) -> None:
    """Describe by name tells a service's methods."""
    described = ask(then=("describe", service))
    assert described.returncode == 0, described.stderr
    assert f"service {service.rpartition('.')[2]} {{" in described.stdout


def test_grpcurl_describes_how_to_invoke(ask: Ask) -> None:
    """The method and the messages that it takes can be read from the node alone."""
    described = ask(then=("describe", "a2amesh.v1.AgentService"))
    assert "rpc Invoke ( .a2amesh.v1.InvokeRequest ) returns ( .a2amesh.v1.InvokeResponse );" in described.stdout
    message = ask("-msg-template", then=("describe", "a2amesh.v1.InvokeRequest"))
    assert "string agent = 1;" in message.stdout
    assert "Message template:" in message.stdout


def test_grpcurl_calls_an_agent_with_typed_json(ask: Ask) -> None:
    """Plain JSON goes in and comes out."""
    said = invoke("echo", "say", {"text": "hello"})
    answered = ask("-d", said, then=("a2amesh.v1.AgentService/Invoke",), key=True)
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["output"] == {"struct": {"text": "hello"}}


def test_grpcurl_reads_a_stream(ask: Ask) -> None:
    """Streamed outputs are numbered from 1, without gaps."""
    said = invoke("echo", "count", {"n": 3})
    answered = ask("-d", said, then=("a2amesh.v1.AgentService/InvokeStream",), key=True)
    assert answered.returncode == 0, answered.stderr
    assert re.findall(r'"sequence": "(\d+)"', answered.stdout) == ["1", "2", "3"]


def test_grpcurl_shows_why_a_call_failed(ask: Ask) -> None:
    """An unknown agent is told with its code, its reason and its name."""
    said = invoke("nobody", "say", {})
    refused = ask("-d", said, then=("a2amesh.v1.AgentService/Invoke",), key=True)
    assert refused.returncode == 64 + 5  # grpcurl's word for NOT_FOUND
    for told in ("Code: NotFound", "google.rpc.ErrorInfo", '"reason": "AGENT_NOT_FOUND"', '"agent": "nobody"'):
        assert told in refused.stderr


def test_grpcurl_shows_which_field_is_wrong(ask: Ask) -> None:
    """A wrong type is told with the path of its field."""
    said = invoke("echo", "say", {"text": 5})
    refused = ask("-d", said, then=("a2amesh.v1.AgentService/Invoke",), key=True)
    for told in ("Code: InvalidArgument", "google.rpc.BadRequest", '"field": "input.text"'):
        assert told in refused.stderr


def test_a_call_without_a_key_is_refused(ask: Ask) -> None:
    """Everything but health and reflection needs a key."""
    refused = ask("-d", invoke("echo", "say", {}), then=("a2amesh.v1.AgentService/Invoke",))
    assert "Code: Unauthenticated" in refused.stderr
    assert '"reason": "UNAUTHENTICATED"' in refused.stderr


def test_every_service_of_the_contract_is_served() -> None:
    """What clients can be generated for, they can call."""
    assert sorted(CONTRACT) == sorted(set(OWN) - {"a2amesh.v1.PeerService"})  # of nodes among themselves


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_is_served_under_both_names(ask: Ask, version: str) -> None:
    """Either version of the reflection service lists the services."""
    method = f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    answered = ask("-format", "text", "-d", 'list_services: ""', then=(method,))
    assert answered.returncode == 0, answered.stderr
    assert sorted(re.findall(r'name: "([^"]+)"', answered.stdout)) == sorted([*OWN, *STANDARD])


def test_channelz_tells_the_servers(ask: Ask, node: RunningNode) -> None:
    """Channelz tells the server and the socket that it listens on."""
    answered = ask("-format", "text", then=("grpc.channelz.v1.Channelz/GetServers",), key=True)
    assert answered.returncode == 0, answered.stderr
    assert re.search(rf'listen_socket: <[^>]*name: "[^"]*{re.escape(node.address)}"', answered.stdout)


@pytest.mark.parametrize("service", ["", *OWN])
def test_the_health_probe_succeeds(node: RunningNode, health_probe: Path, service: str) -> None:
    """The node as a whole and every service of its own are healthy, without a key."""
    probed = probe(health_probe, node, service)
    assert probed.returncode == 0, probed.stderr
    assert "status: SERVING" in probed.stderr


def test_the_health_probe_does_not_know_other_services(node: RunningNode, health_probe: Path) -> None:
    """A service that is not there has no health."""
    probed = probe(health_probe, node, "a2amesh.v1.NoSuchService")
    assert probed.returncode != 0
    assert "NotFound" in probed.stderr


def probe(health_probe: Path, node: RunningNode, service: str) -> subprocess.CompletedProcess[str]:
    """What grpc-health-probe says."""
    command = (str(health_probe), f"-addr={node.address}", f"-service={service}")
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
