"""TLS through whole nodes: who a certificate says that somebody is, and certificates exchanged under running calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.attach.host import Options
from a2a_node.client import MeshClient, Tls
from a2a_node.model.errors import NodeUnreachable, PermissionDenied, SettingInvalid, Unauthenticated
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from tests.ample import AMPLE_SETTINGS
from tests.integration.certificates import Authority
from tests.integration.conftest import Running

HOST = x509.DNSName("localhost")
ANN = x509.UniformResourceIdentifier("spiffe://a2a.local/person/ann")
GREETER = x509.UniformResourceIdentifier("spiffe://a2a.local/agent/greeter")
WORDS = {"text": "x"}


class Files:
    """Certificates of a node and its callers, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority()
        self.key, self.certificate, self.ca = self.authority.laid(folder, "node", [HOST])

    def settings(self, *, callers: bool = False) -> dict[str, object]:
        """What the node is told."""
        told: dict[str, object] = {"tls_cert": self.certificate, "tls_key": self.key}
        return told | {"tls_client_ca": self.ca} if callers else told

    def caller(self, name: str, names: Sequence[x509.GeneralName], authority: Authority | None = None) -> Tls:
        """What a caller is told, with a certificate of its own."""
        key, certificate, _ = (authority or self.authority).laid(self.folder, name, names)
        return Tls(self.ca, certificate, key)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Signed by an authority of the test's own."""
    return Files(tmp_path)


def at(node: Node) -> str:
    """Its address by the name that its certificate has."""
    return f"localhost:{node.grpc_address.rpartition(':')[2]}"


async def test_clients_meet_a_node_by_tls(running_node: Running, files: Files) -> None:
    """With the usual key; without TLS, or with another authority's word, nobody is met."""
    async with running_node(**files.settings()) as (node, plain):
        key = node.key_file.read_text().strip()
        async with MeshClient(at(node), key, tls=Tls(files.ca)) as mesh:
            assert await mesh.call("echo", "say", WORDS) == WORDS
        async with MeshClient(f"https://{at(node)}", key, tls=Tls(files.ca)) as mesh:
            assert await mesh.call("echo", "say", WORDS) == WORDS
        with pytest.raises(NodeUnreachable):
            await plain.call("echo", "say", WORDS, timeout=5)
        other = files.folder / "other"
        other.write_bytes(Authority().root)
        async with MeshClient(at(node), key, tls=Tls(other)) as mesh:
            with pytest.raises(NodeUnreachable):
                await mesh.call("echo", "say", WORDS, timeout=5)


async def test_a_certificate_says_who_somebody_is(running_node: Running, files: Files) -> None:
    """By its SPIFFE id; what is sent with a call goes before it, and another domain's id is nobody's."""
    async with running_node(**files.settings(callers=True)) as (node, _):
        key = node.key_file.read_text().strip()
        ann = files.caller("ann", [ANN])
        async with MeshClient(at(node), key, tls=ann) as dev, MeshClient(at(node), tls=ann) as mesh:
            with pytest.raises(PermissionDenied, match="person:ann"):
                await mesh.call("echo", "say", WORDS)
            await dev.grants.give("person:ann", "agent:echo:invoke")
            assert await mesh.call("echo", "say", WORDS) == WORDS
            stranger = x509.UniformResourceIdentifier("spiffe://elsewhere.test/person/ann")
            for name, names in (("stranger", [stranger]), ("two", [ANN, GREETER]), ("none", [HOST])):
                async with MeshClient(at(node), tls=files.caller(name, names)) as nobody:
                    with pytest.raises(Unauthenticated):
                        await nobody.call("echo", "say", WORDS)
            await dev.grants.give("agent:greeter", "registry:write")
            greeter = Agent("greeter")

            @greeter.capability
            async def greet() -> dict[str, str]:
                return {"hello": "you"}

            options = Options(tls=files.caller("greeter", [GREETER]))
            async with attached(greeter, at(node), options=options):
                assert await dev.call("greeter", "greet") == {"hello": "you"}
                assert (await dev.agents.get("greeter")).agent.owner == "agent:greeter"


async def test_nobody_comes_in_without_a_certificate_where_one_is_asked_for(
    running_node: Running, files: Files
) -> None:
    """Nor with one that another authority has signed."""
    async with running_node(**files.settings(callers=True)) as (node, _):
        key = node.key_file.read_text().strip()
        forged = files.caller("forged", [ANN], Authority())
        for tls in (Tls(files.ca), forged):
            async with MeshClient(at(node), key, tls=tls) as mesh:
                with pytest.raises(NodeUnreachable):
                    await mesh.call("echo", "say", WORDS, timeout=5)


async def test_certificates_are_exchanged_under_running_calls(running_node: Running, files: Files) -> None:
    """Streams go on, new connections meet the new authority, and those of the old one are known no longer."""
    async with running_node(**files.settings(callers=True)) as (node, _):
        key = node.key_file.read_text().strip()
        before = files.caller("ann", [ANN])
        kept = replace(before, ca=files.folder / "kept.ca")
        (files.folder / "kept.ca").write_bytes(files.authority.root)
        async with MeshClient(at(node), key, tls=before) as mesh:
            stream = mesh.stream("echo", "count", {"n": 100, "delay_ms": 10})
            assert await anext(stream) == {"number": 1}
            fresh = Authority()
            fresh.laid(files.folder, "node", [HOST])
            after = files.caller("bob", [ANN], fresh)
            async with MeshClient(at(node), key, tls=after) as new:
                assert await new.call("echo", "say", WORDS) == WORDS
            async with MeshClient(at(node), key, tls=kept) as old:
                with pytest.raises(NodeUnreachable):
                    await old.call("echo", "say", WORDS, timeout=5)
            assert len([number async for number in stream]) == 99
            assert await mesh.call("echo", "say", WORDS) == WORDS
            (files.folder / "node.key").write_bytes(b"half a key")
            async with MeshClient(at(node), key, tls=after) as new:
                assert await new.call("echo", "say", WORDS) == WORDS


async def test_the_door_of_nodes_is_for_nodes(running_node: Running, files: Files) -> None:
    """By the mesh's own authority: the node's own certificate opens it, a person's does not, nor does any key."""
    async with running_node() as (node, mesh):
        (row,) = [entry.node async for entry in mesh.nodes.list()]
        folder = node.key_file.parent
        assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in ("node.key", "node.crt", "ca.crt"))
        shown = [(folder / name).read_bytes() for name in ("ca.crt", "node.key", "node.crt")]
        options = [("grpc.ssl_target_name_override", f"{row.id}.nodes.a2a.local")]
        list_nodes = "/a2amesh.v1.RegistryService/ListNodes"
        async with grpc.aio.secure_channel(row.peer_address, grpc.ssl_channel_credentials(*shown), options) as peer:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = peer.unary_unary(list_nodes, None, None)
            assert await rpc(b"")
        stranger = files.caller("stranger", [x509.UniformResourceIdentifier(f"spiffe://a2a.local/node/{row.id}")])
        for tls in (stranger, Tls(folder / "ca.crt")):
            async with MeshClient(row.peer_address, node.key_file.read_text().strip(), tls=tls) as nobody:
                with pytest.raises(NodeUnreachable):
                    await nobody.nodes.get()


async def test_two_nodes_of_a_mesh_trust_each_other_without_any_set_up(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Each knows the other by name, whatever address it has; and one of another mesh is nobody."""

    def settings(name: str) -> Settings:
        chosen = {"node_id": name, "data_dir": tmp_path / name, "grpc_port": 0, "peer_port": 0, "http_port": 0}
        return Settings.model_validate({**chosen, **AMPLE_SETTINGS, "echo": False})

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with running(settings("one"), postgres_url, redis_url) as one:
        key = one.key_file.read_text().strip()
        async with running(settings("two"), postgres_url, redis_url), MeshClient(one.grpc_address, key) as mesh:
            rows = {entry.node.id: entry.node async for entry in mesh.nodes.list()}
            shown = [(tmp_path / "one" / file).read_bytes() for file in ("ca.crt", "node.key", "node.crt")]
            credentials = grpc.ssl_channel_credentials(*shown)
            for name, met in (("two", True), ("one", False)):
                options = [("grpc.ssl_target_name_override", f"{name}.nodes.a2a.local")]
                async with grpc.aio.secure_channel(rows["two"].peer_address, credentials, options) as peer:
                    rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = peer.unary_unary(
                        "/a2amesh.v1.RegistryService/ListNodes", None, None
                    )
                    if met:
                        assert await rpc(b"")
                    else:
                        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                            await rpc(b"", timeout=5)


async def test_files_that_cannot_be_used_are_named_at_the_start(running_node: Running, files: Files) -> None:
    """A key that is not the certificate's, or none."""
    other, _, _ = Authority().laid(files.folder, "other", [HOST])
    for told in ({"tls_key": other}, {"tls_cert": files.folder / "none"}):
        with pytest.raises(SettingInvalid, match="tls_cert"):
            async with running_node(**{**files.settings(), **told}):
                pass
