"""HTTP by TLS: the node's certificate, exchanged when its files change, and those of clients where they are asked."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from a2a_node.model.errors import SettingInvalid
from a2a_node.node import Node
from a2a_node.settings import Settings
from tests.integration.certificates import Authority
from tests.integration.conftest import Running

HOST = x509.DNSName("localhost")
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Files:
    """Certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority()
        self.key, self.certificate, self.ca = self.authority.laid(folder, "node", [HOST])

    def settings(self, *, callers: bool = False) -> dict[str, object]:
        """What the node is told."""
        told: dict[str, object] = {"tls_cert": self.certificate, "tls_key": self.key, "http_tls": "on"}
        return told | {"tls_client_ca": self.ca} if callers else told

    def trusting(self, authority: Authority | None = None) -> ssl.SSLContext:
        """A client that trusts an authority."""
        return ssl.create_default_context(cadata=(authority or self.authority).root.decode())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Signed by an authority of the test's own."""
    return Files(tmp_path)


async def asked(node: Node, context: ssl.SSLContext | None) -> bytes:
    """All that the node says to a client that asks for its health."""
    port = int(node.http_address.rpartition(":")[2])
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        writer.write(HEALTH)
        return await reader.read()
    finally:
        writer.close()


async def heard(node: Node, context: ssl.SSLContext) -> bytes:
    """The same, where the node may break off: it is known only after the client's own part of the handshake."""
    try:
        return await asked(node, context)
    except (ssl.SSLError, ConnectionError):
        return b""


async def test_http_is_served_by_tls(running_node: Running, files: Files) -> None:
    """Browsers are told to stay with it; who speaks plainly, or trusts somebody else, hears nothing."""
    async with running_node(**files.settings()) as (node, _):
        said = await asked(node, files.trusting())
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"strict-transport-security: max-age=" in said
        with pytest.raises(ssl.SSLCertVerificationError):
            await asked(node, files.trusting(Authority()))
        assert not (await asked(node, None)).startswith(b"HTTP/")


async def test_certificates_are_exchanged_while_the_node_runs(running_node: Running, files: Files) -> None:
    """New connections meet the new one; files that cannot be used change nothing."""
    async with running_node(**files.settings()) as (node, _):
        files.certificate.write_bytes(b"none")
        assert (await asked(node, files.trusting())).startswith(b"HTTP/1.1 200 ")
        second = Authority()
        second.laid(files.folder, "node", [HOST])
        assert (await asked(node, files.trusting(second))).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ssl.SSLCertVerificationError):
            await asked(node, files.trusting())


async def test_clients_show_certificates_where_they_must(running_node: Running, files: Files) -> None:
    """Of the same authorities as over gRPC."""
    async with running_node(**files.settings(callers=True)) as (node, _):
        assert await heard(node, files.trusting()) == b""
        stranger = files.trusting()
        key, certificate, _ = Authority().laid(files.folder, "stranger", [HOST])
        stranger.load_cert_chain(certificate, key)
        assert await heard(node, stranger) == b""
        key, certificate, _ = files.authority.laid(files.folder, "caller", [HOST])
        known = files.trusting()
        known.load_cert_chain(certificate, key)
        assert (await asked(node, known)).startswith(b"HTTP/1.1 200 ")


async def test_a_handshake_that_does_not_go_on_is_given_up(running_node: Running, files: Files) -> None:
    """It has the time of a head."""
    async with running_node(**files.settings(), http_header_seconds=0.5) as (node, _):
        port = int(node.http_address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()


def test_where_http_needs_tls(files: Files) -> None:
    """Beyond loopback, unless somebody says twice that it does not."""

    def told(**more: object) -> Settings:
        return Settings.model_validate({"tls_cert": files.certificate, "tls_key": files.key, **more})

    assert not told().http_secured
    assert told(http_tls="on").http_secured
    assert told(http_host="192.0.2.7").http_secured
    confirmed = {"insecure_bind": True, "insecure_bind_confirm": "192.0.2.7"}
    assert not told(http_host="192.0.2.7", **confirmed).http_secured
    assert told(http_host="192.0.2.7", http_tls="on", **confirmed).http_secured
    with pytest.raises(SettingInvalid, match="http_host"):
        told(http_host="192.0.2.7", http_tls="off")
    with pytest.raises(SettingInvalid, match="http_host"):
        Settings.model_validate({"http_host": "192.0.2.7"})
    with pytest.raises(SettingInvalid, match="tls_cert"):
        Settings.model_validate({"http_tls": "on"})
