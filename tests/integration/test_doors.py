"""Doors of one server: one without TLS, and one for peers whose certificates say who they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

import grpc
import pytest
from cryptography import x509

from a2a_node.model.call import Call
from a2a_node.pipeline.server import Door, Front, handlers_of, serving
from a2amesh.v1 import cache_service_pb2 as pb
from tests.integration.certificates import Authority, Pair

GET = "/a2amesh.v1.CacheService/GetValue"
SPIFFE = "spiffe://mesh.test/node/n2"


class Porter:
    """A service that notes how its calls came in."""

    descriptor = pb.DESCRIPTOR.services_by_name["CacheService"]

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[str]]] = []

    async def get_value(self, _: pb.GetValueRequest, call: Call) -> pb.GetValueResponse:
        """Note it."""
        self.seen.append((call.door, list(call.identities_of())))
        return pb.GetValueResponse()


@dataclass(frozen=True, slots=True)
class House:
    """A server with both doors, and who may come in at the second."""

    porter: Porter
    ports: tuple[int, ...]
    authority: Authority
    known: Pair

    def secure(self, pair: Pair | None) -> grpc.ChannelCredentials:
        """What a caller brings to the peers' door."""
        if pair is None:
            return grpc.ssl_channel_credentials(self.authority.root)
        return grpc.ssl_channel_credentials(self.authority.root, pair.key, pair.certificate)


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Both doors open."""
    porter, authority = Porter(), Authority()
    at_home = authority.signed(x509.IPAddress(IPv4Address("127.0.0.1")))
    known = authority.signed(x509.DNSName("n2.mesh.test"), x509.UniformResourceIdentifier(SPIFFE))
    credentials = grpc.ssl_server_credentials(
        [(at_home.key, at_home.certificate)], authority.root, require_client_auth=True
    )

    async def rest(call: Call) -> None:
        await call.rest(call)

    front = Front(rest, {})
    doors = [Door("127.0.0.1:0"), Door("127.0.0.1:0", credentials, "peers")]
    async with serving(doors, handlers_of([porter], front), front, payload_limit=1000, grace=0) as ports:
        yield House(porter, ports, authority, known)


async def knock(channel: grpc.aio.Channel) -> None:
    """Call once."""
    rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GET, None, None)
    await rpc(b"")


async def test_the_open_door_proves_nothing() -> None:
    """No identities, and no door to name."""
    async with house() as here, grpc.aio.insecure_channel(f"127.0.0.1:{here.ports[0]}") as channel:
        await knock(channel)
        assert here.porter.seen == [("", [])]


async def test_a_peer_is_known_by_its_certificate() -> None:
    """Its URI first, then its DNS names."""
    async with house() as here:
        brings = here.secure(here.known)
        async with grpc.aio.secure_channel(f"127.0.0.1:{here.ports[1]}", brings) as channel:
            await knock(channel)
        assert here.porter.seen == [("peers", [SPIFFE, "n2.mesh.test"])]


async def test_nobody_without_a_certificate_comes_in_at_the_door_of_peers() -> None:
    """Neither with none, nor with one that somebody else signed."""
    async with house() as here:
        stranger = Authority().signed(x509.UniformResourceIdentifier(SPIFFE))
        for pair in (None, stranger):
            async with grpc.aio.secure_channel(f"127.0.0.1:{here.ports[1]}", here.secure(pair)) as channel:
                with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                    await knock(channel)
        assert here.porter.seen == []
