"""Certificates as gRPC and HTTP take them, exchanged under running connections when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, SSLContext, SSLObject, TLSVersion
from typing import cast

import grpc
import structlog

from a2a_node.access.certificates import FromFiles, OfMesh, Shown, Shows, dns_name
from a2a_node.access.spiffe import Spiffe
from a2a_node.settings import Settings

log = structlog.get_logger()


def server_credentials(shows: Shows, *, callers: bool) -> grpc.ServerCredentials:
    """What a door shows; `callers` says whether theirs is checked. New connections get what is new."""
    shown = shows.now()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        latest = shows.now()
        if latest is shown:
            return None
        shown = latest
        return _configuration(latest)

    # the stubs forget that None, for no change, is an answer
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", changed)
    return grpc.dynamic_ssl_server_credentials(_configuration(shown), fetch, require_client_authentication=callers)


def http_context(settings: Settings, shows: Shows) -> SSLContext:
    """What HTTP shows, and asks of clients where they must show something; new connections get what is new."""
    shown, latest = shows.now(), _context(settings)

    def greeted(connection: SSLObject, _name: str | None, _first: SSLContext) -> None:
        nonlocal shown, latest
        if (now := shows.now()) is not shown:
            shown = now
            try:
                latest = _context(settings)
            except OSError as error:  # of the authorities, or of files that are being exchanged: they change once more
                log.warning("certificates cannot be used; going on with those before", of="tls_cert", why=str(error))
        connection.context = latest

    first = _context(settings)
    first.sni_callback = greeted
    return first


def clients_certificates(settings: Settings) -> FromFiles | None:
    """What the clients' door shows; None where it is open."""
    files = [file for file in (settings.tls_key, settings.tls_cert, settings.tls_client_ca) if file is not None]
    return FromFiles(files, "tls_cert") if settings.tls_cert else None


def peers_files(settings: Settings) -> FromFiles | None:
    """What the door of nodes shows, of the operator's own making; None where it is the mesh's."""
    files = [file for file in (settings.peer_key, settings.peer_cert, settings.peer_ca) if file is not None]
    return FromFiles(files, "peer_cert") if settings.peer_cert else None


@dataclass(frozen=True, slots=True)
class PeerTls:
    """How a node meets other nodes."""

    shows: Shows
    name_of: Callable[[str], str]  # by which a node's certificate is checked; empty for its address

    def server(self) -> grpc.ServerCredentials:
        """What its own door shows, and asks of others."""
        return server_credentials(self.shows, callers=True)

    def channel(self) -> grpc.ChannelCredentials:
        """What it shows to others, as of now: a channel that is made anew has what is new."""
        shown = self.shows.now()
        return grpc.ssl_channel_credentials(shown.roots, shown.key, shown.certificate)

    def options(self, node: str) -> list[tuple[str, str]]:
        """Options of a channel to that node."""
        name = self.name_of(node)
        return [("grpc.ssl_target_name_override", name)] if name else []


def peer_tls(shows: Shows, spiffe: Spiffe) -> PeerTls:
    """By certificates of the mesh a node is checked by its id, by others by its address."""
    of_mesh = isinstance(shows, OfMesh)
    return PeerTls(shows, lambda node: dns_name(node, spiffe) if of_mesh else "")


def _context(settings: Settings) -> SSLContext:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key))
    if settings.tls_client_ca is not None:
        context.load_verify_locations(str(settings.tls_client_ca))
        context.verify_mode = CERT_REQUIRED
    return context


def _configuration(shown: Shown) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(shown.key, shown.certificate)], shown.roots or None)
