"""Nobody unknown gets an answer, whatever they ask for."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pkgutil import iter_modules

import grpc
from google.protobuf.descriptor import MethodDescriptor

import a2amesh.v1
from tests.integration.conftest import Running

KEYS = ((), (("authorization", "Bearer a2a_abcdefghij_wrong"),), (("authorization", "Bearer e30.e30.e30"),))
PATIENCE = 20.0


def rpcs() -> list[MethodDescriptor]:
    """Every RPC of the contract."""
    files = [import_module(f"a2amesh.v1.{module.name}").DESCRIPTOR for module in iter_modules(a2amesh.v1.__path__)]
    services = [service for file in files for service in file.services_by_name.values()]
    return [method for service in services for method in service.methods]


async def test_no_rpc_answers_without_a_key_or_with_a_wrong_one(running_node: Running) -> None:
    """Not one of the contract, streams and what nodes ask each other among them."""
    async with running_node() as (node, _), grpc.aio.insecure_channel(node.grpc_address) as channel:

        async def refused(rpc: MethodDescriptor, key: tuple[tuple[str, str], ...]) -> str:
            name = f"/{rpc.containing_service.full_name}/{rpc.name}"
            if rpc.client_streaming:  # nothing is written: a write to a call that was refused is an error of its own
                streaming: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(name, None, None)
                return (await streaming(metadata=key, timeout=PATIENCE).code()).name
            asking: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(name, None, None)
            return (await asking(b"", metadata=key, timeout=PATIENCE).code()).name

        asked = [(rpc, key) for rpc in rpcs() for key in KEYS]
        outcomes = await asyncio.gather(*(refused(rpc, key) for rpc, key in asked))
    assert len(asked) > 200
    named = [(rpc.full_name, key, outcome) for (rpc, key), outcome in zip(asked, outcomes, strict=True)]
    assert [one for one in named if one[2] != "UNAUTHENTICATED"] == []
