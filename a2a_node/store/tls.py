"""TLS on the way to the stores, as their URLs ask for it: what is wrong with it that no waiting will mend."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from a2a_node.model.errors import SettingInvalid

FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
NONE = "rejected SSL upgrade"  # the driver of Postgres has no class for that


def readable(setting: str, url: str) -> None:
    """SettingInvalid when a file that the query of a URL names cannot be read; the setting is the URL's own."""
    for name, text in parse_qsl(urlsplit(url).query):
        if name in FILES:
            try:
                Path(text).open("rb").close()
            except OSError as error:
                raise SettingInvalid(setting, f"its {name} {text[:200]!r}: {error.strerror}") from None


def fault(failure: BaseException) -> str:
    """What is wrong with TLS or its parameters, in words, when that has caused a failure; empty otherwise."""
    for error in _chain(failure):
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"the server's certificate is not believed: {error.verify_message.rstrip('.')}; name the authority that"
                " signed it, and a host that it has"
            )
        if isinstance(error, ssl.SSLError):
            return f"TLS fails: {error.reason or error}; does the server speak TLS at this port?"
        if isinstance(error, asyncpg.ClientConfigurationError):
            return str(error)[:200]
        if isinstance(error, ConnectionError) and NONE in str(error):
            return "asks for TLS, which the server does not speak"
    return ""


def _chain(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__
