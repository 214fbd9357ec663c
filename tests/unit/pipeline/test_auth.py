"""The auth layer: nobody unknown goes further."""

from __future__ import annotations

import pytest

from a2a_node.access.credentials import KnownKeys
from a2a_node.model.call import Call
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.principal import Principal
from a2a_node.pipeline.auth import auth

DEV = Principal("person", "dev")
LAYER = auth(KnownKeys({"a2a_dev_secret": DEV}))


async def done(_: Call) -> None:
    """Nothing more to do."""


def call(method: str, authorization: str | None) -> Call:
    """A call as it arrives."""
    metadata = {} if authorization is None else {"authorization": authorization}
    return Call(method=method, rest=done, metadata=metadata)


async def test_a_good_key_says_who_is_calling() -> None:
    """Whatever the case of the scheme."""
    for scheme in ("Bearer", "bearer"):
        seen = call("/a2amesh.v1.AgentService/Invoke", f"{scheme} a2a_dev_secret")
        await LAYER(seen, done)
        assert seen.principal == DEV


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer ", "Basic x", "a2a_dev_secret", "Bearer a2a_dev_secreT"])
async def test_anything_else_is_refused_and_never_repeated(sent: str | None) -> None:
    """The message says what to send and holds nothing of what was sent."""
    with pytest.raises(Unauthenticated) as refused:
        await LAYER(call("/a2amesh.v1.AgentService/Invoke", sent), done)
    assert "secre" not in refused.value.message


async def test_health_and_reflection_need_no_key_and_channelz_does() -> None:
    """A probe and `grpcurl list` work without one."""
    await LAYER(call("/grpc.health.v1.Health/Check", None), done)
    await LAYER(call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", None), done)
    with pytest.raises(Unauthenticated):
        await LAYER(call("/grpc.channelz.v1.Channelz/GetServers", None), done)


async def test_a_call_from_inside_keeps_its_principal() -> None:
    """The node itself has proven it."""
    seen = call("/a2amesh.v1.AgentService/Invoke", None)
    seen.principal = Principal("node", "n1")
    await LAYER(seen, done)
    assert seen.principal.name == "n1"
