"""The table of what RPCs need: none is missing, and none is made up."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from google.protobuf.descriptor import FileDescriptor
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import a2amesh.v1
from a2a_node.model.mcp import ASK
from a2a_node.model.permissions import checked_permission
from a2a_node.model.proxied import PROXIED
from a2a_node.model.web import ASKED_OF_WEB, LIVE, OPENING
from a2a_node.pipeline.needs import KNOWN, NEEDS, OF_AGENT, OPEN, permission


def files() -> Iterator[FileDescriptor]:
    """The files of the whole contract, and of the standard services."""
    for module in pkgutil.iter_modules(a2amesh.v1.__path__):
        yield importlib.import_module(f"a2amesh.v1.{module.name}").DESCRIPTOR
    yield from (channelz_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)


def methods() -> set[str]:
    """The full name of every RPC that there is."""
    return {
        f"/{service.full_name}/{method.name}"
        for file in files()
        for service in file.services_by_name.values()
        for method in service.methods
    }


def test_every_rpc_of_the_descriptors_has_an_entry() -> None:
    """An RPC that is added to the contract is refused until somebody says what it needs."""
    assert methods() - set(NEEDS) == set()


def test_every_entry_is_of_an_rpc() -> None:
    """Reflection under its newer name is the same service, and has no descriptor of its own until a node runs.

    One stands for all methods of agents' own services, which the node knows nothing of, and one for MCP's requests.
    """
    reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    assert set(NEEDS) - methods() == {reflection, PROXIED, ASK, LIVE, OPENING, *ASKED_OF_WEB}


def test_every_need_is_a_permission_in_order() -> None:
    """Without a wildcard; health and reflection alone are open."""
    for method, need in NEEDS.items():
        if need == OPEN:
            assert method.startswith(("/grpc.health.", "/grpc.reflection."))
        elif need != KNOWN:
            checked_permission("permission", permission(need, "echo"), exact=True)


def test_agents_are_named_by_the_calls_to_them() -> None:
    """Each agent is a permission of its own."""
    assert permission(OF_AGENT, "echo") == "agent:echo:invoke"
    assert permission("registry:read", "echo") == "registry:read"
    assert [method for method, need in NEEDS.items() if need == OF_AGENT] == [
        *(f"/a2amesh.v1.AgentService/{method}" for method in ("Invoke", "InvokeStream", "Converse")),
        PROXIED,
    ]
