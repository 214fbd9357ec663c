"""Every RPC has a path, by the rule."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from a2a_node.pipeline.needs import SERVICES
from a2a_node.web.api.resources import READ_AS, RESOURCES, Endpoint, endpoints_of
from a2a_node.web.api.routing import Paths
from a2a_node.web.api.versions import DEPRECATIONS, VERSION, Deprecation, headers_of
from tests.unit.web.api.contract import METHODS


def endpoints() -> dict[str, Endpoint]:
    """All of them, by the names of their operations."""
    return {endpoint.name: endpoint for endpoint in endpoints_of(METHODS)}


def test_no_rpc_is_missing() -> None:
    """Those of nodes among themselves are left out; nothing else is."""
    served = {endpoint.rpc for endpoint in endpoints_of(METHODS)}
    assert {rpc.rpartition(".")[2] for rpc in set(METHODS) - served} == {
        f"PeerService/{name}" for name in SERVICES["a2amesh.v1.PeerService"]
    }


def test_those_whose_clients_stream_are_websockets() -> None:
    """What their nodes say is never taken for the Error that ends one, and their path says whom they are about."""
    talks = {endpoint.name: endpoint for endpoint in endpoints_of(METHODS) if endpoint.talks}
    assert set(talks) == {"Converse", "Attach"}
    for endpoint in talks.values():
        assert endpoint.streams
        assert "error" not in endpoint.descriptor.output_type.fields_by_name
    assert (talks["Converse"].method, dict(talks["Converse"].places)) == ("GET", {"agent": "open.agent"})
    assert dict(talks["Attach"].places) == {"agent": "hello.agent.name"}


def test_no_two_have_the_same_path() -> None:
    """Nor the same name."""
    ways = [(endpoint.method, endpoint.path) for endpoint in endpoints_of(METHODS)]
    assert len(ways) == len(set(ways)) == len(endpoints())


def test_the_table_says_nothing_that_is_not_needed() -> None:
    """Every noun is one of some RPC, every exception is one of the contract's."""
    names = {method.name for method in METHODS.values()}
    assert set(READ_AS) <= names
    used = " ".join(endpoint.path for endpoint in endpoints_of(METHODS)) + " "
    assert [noun for noun, resource in RESOURCES.items() if f"/{resource.many}" not in used and noun != "Step"] == []


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("ListAgents", "GET /api/v1/agents"),
        ("RegisterAgent", "POST /api/v1/agents"),
        ("UpdateAgent", "PATCH /api/v1/agents/{agent}"),
        ("DeregisterAgent", "DELETE /api/v1/agents/{agent}"),
        ("DeregisterInstance", "DELETE /api/v1/instances/{instance_id}"),
        ("Invoke", "POST /api/v1/agents/{agent}:invoke"),
        ("WatchAgents", "GET /api/v1/agents:watch"),
        ("StartRun", "POST /api/v1/runs"),
        ("StartServer", "POST /api/v1/servers/{server_id}:start"),
        ("ApproveStep", "POST /api/v1/runs/{run_id}/steps/{step_id}:approve"),
        ("SetValue", "PUT /api/v1/namespaces/{namespace}/values/{key}"),
        ("Revoke", "DELETE /api/v1/grants/{grant_id}"),
        ("Converse", "GET /api/v1/agents/{agent}:converse"),
        ("Attach", "GET /api/v1/agents/{agent}:attach"),
    ],
)
def test_the_rule_gives_the_paths_that_people_expect(name: str, way: str) -> None:
    """A few of each kind."""
    endpoint = endpoints()[name]
    assert f"{endpoint.method} {endpoint.path}" == way


def test_a_path_is_found_as_it_was_sent() -> None:
    """An id may hold anything once it is quoted, and is never taken for a path or a verb otherwise."""
    paths = Paths(endpoints_of(METHODS))
    for path, value in (("a%2Fb", "a/b"), ("..%2F..%2Fetc", "../../etc"), ("x%3Awatch", "x:watch"), ("..", "..")):
        found = paths.find(f"/api/v1/namespaces/default/values/{path}", "GET")
        assert isinstance(found, tuple), path
        assert found[1] == {"namespace": "default", "key": value}
    watch = paths.find("/api/v1/agents:watch", "GET")
    assert isinstance(watch, tuple)
    assert watch[0].name == "WatchAgents"
    assert paths.find("/api/v1/agents", "DELETE") == ["GET", "POST"]
    for path in ("/api/v1/agents/a/b", "/api/v1/agents/", "/api/v1/agents/a:sing", "/api/v1/agents/%ff", "/api/v1"):
        assert paths.find(path, "GET") == [], path


def deprecated(*, marked: bool) -> MethodDescriptor:
    """An RPC that goes out of use, or not."""
    file = descriptor_pb2.FileDescriptorProto(name="old.proto", package="a2amesh.v1")
    file.message_type.add(name="Thing")
    method = file.service.add(name="OldService").method.add(name="ListAgents")
    method.input_type = method.output_type = ".a2amesh.v1.Thing"
    method.options.deprecated = marked
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindMethodByName("a2amesh.v1.OldService.ListAgents")


def test_an_rpc_that_goes_out_of_use_says_so() -> None:
    """By the headers that clients look for."""
    (endpoint,) = endpoints_of({"/old": deprecated(marked=True)})
    dates = {"/old": Deprecation(datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC), "/api/v1/new")}
    assert headers_of(endpoint, dates) == {
        **VERSION,
        "deprecation": "@1798761600",
        "sunset": "Sat, 01 Jan 2028 00:00:00 GMT",
        "link": '</api/v1/new>; rel="successor-version"',
    }
    (endpoint,) = endpoints_of({"/old": deprecated(marked=False)})
    assert headers_of(endpoint, dates) == VERSION


def test_every_rpc_that_goes_out_of_use_is_dated() -> None:
    """And none else."""
    marked = {rpc for rpc, method in METHODS.items() if method.GetOptions().deprecated}
    assert set(DEPRECATIONS) == marked
