"""The HTTP door of a node as this machine meets it, by TLS where the node serves so."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from a2a_node.client import Tls
from a2a_node.settings import Settings

PATIENCE = 3.0  # seconds that an answer may take
LONGEST = 8 << 20  # bytes of an answer that are read
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where one who listens on all addresses is met


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered, and what time it was there."""

    status: int
    body: bytes
    time: datetime | None


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """Where a node is asked over HTTP."""

    host: str
    port: int
    context: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: Settings) -> HttpDoor:
        """The door of the node with these settings; one by TLS has to show the very certificate that they name."""
        return cls(met(settings.http_host), settings.http_port, _pinned(settings) if settings.http_secured else None)

    @property
    def address(self) -> str:
        """Its URL."""
        return f"{'https' if self.context else 'http'}://{self.host}:{self.port}"

    def get(self, path: str) -> Reply | None:
        """What the node answers; None where nobody speaks HTTP there."""
        connection = self._connection()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            date = response.headers["Date"]
            return Reply(response.status, response.read(LONGEST), parsedate_to_datetime(date) if date else None)
        except (OSError, HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if self.context:
            return HTTPSConnection(self.host, self.port, timeout=PATIENCE, context=self.context)
        return HTTPConnection(self.host, self.port, timeout=PATIENCE)


def met(host: str) -> str:
    """Where somebody on this machine meets a node that listens on an address."""
    return ANYWHERE.get(host, host)


def _pinned(settings: Settings) -> ssl.SSLContext:
    """Believes the node's own certificate and no other, under whatever name; ours is shown where clients have one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the file itself is what is compared
    with suppress(OSError):  # then nobody is believed; the item certificate-files says why it cannot be read
        context.load_verify_locations(settings.tls_cert)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    own = Tls.of()
    if own and own.certificate and own.key:
        with suppress(OSError):  # the client of gRPC, who shows the same, says why
            context.load_cert_chain(own.certificate, own.key)
    return context
