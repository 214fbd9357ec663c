"""How a client knows its node, and proves itself to it, where they meet by TLS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from a2a_node.model.errors import SettingInvalid

SECURE, PLAIN = "https://", "http://"  # in front of an address


@dataclass(frozen=True, slots=True)
class Tls:
    """Files, PEM; what is absent is not needed: without authorities the usual public ones are believed."""

    ca: Path | None = None  # authorities that the node's certificate is checked by
    certificate: Path | None = None  # the client's own
    key: Path | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Tls | None:
        """What `A2A_TLS_CA`, `A2A_TLS_CLIENT_CERT` and `A2A_TLS_CLIENT_KEY` say; None where none of them is set."""
        ca, certificate, key = map(environ.get, ("A2A_TLS_CA", "A2A_TLS_CLIENT_CERT", "A2A_TLS_CLIENT_KEY"))
        if not (ca or certificate or key):
            return None
        return cls(*(Path(file) if file else None for file in (ca, certificate, key)))

    def credentials(self) -> grpc.ChannelCredentials:
        """What a channel is made with; SettingInvalid for files that cannot be read."""
        ca, certificate, key = (_read(file) for file in (self.ca, self.certificate, self.key))
        if (certificate is None) != (key is None):
            raise SettingInvalid("tls_client_key", "and tls_client_cert are needed together")
        return grpc.ssl_channel_credentials(ca, key, certificate)

    def stamp(self) -> tuple[object, ...]:
        """Changes when a file does."""
        return tuple(_stamp(file) for file in (self.ca, self.certificate, self.key))


def met_at(address: str, tls: Tls | None) -> tuple[str, Tls | None]:
    """The address without its scheme, and how it is met: `https://` means TLS, `http://` means none."""
    if address.startswith(SECURE):
        return address.removeprefix(SECURE), tls or Tls.of() or Tls()
    if address.startswith(PLAIN):
        return address.removeprefix(PLAIN), None
    return address, tls or Tls.of()


def _read(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise SettingInvalid("tls_ca", f"{file} cannot be read: {error.strerror}") from None


def _stamp(file: Path | None) -> object:
    try:
        status = None if file is None else file.stat()
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)
