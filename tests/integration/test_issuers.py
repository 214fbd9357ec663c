"""Tokens of other issuers through a whole node, their keys fetched from where they publish them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from a2a_node.access.fetching import fetched
from a2a_node.access.issuers import Issuer, Issuers, Pace
from a2a_node.client import MeshClient
from a2a_node.model.errors import Unauthenticated
from tests.integration.conftest import Running
from tests.unit.access.keys_house import AUDIENCE, ISSUER, PRIVATE, published, signed

WORDS = {"text": "x"}


class Publisher(ThreadingHTTPServer):
    """Publishes keys, and counts who asks."""

    daemon_threads = True
    content = b""
    asked = 0
    location = ""
    dripping: threading.Event | None = None


class Answers(BaseHTTPRequestHandler):
    """One answer."""

    server: Publisher

    def do_GET(self) -> None:
        """What is published now."""
        self.server.asked += 1
        self.send_response(302 if self.server.location else 200)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.end_headers()
        self.wfile.write(self.server.content)
        if self.server.dripping is not None:
            self.wfile.flush()
            self.server.dripping.wait()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def publishing() -> Iterator[tuple[Publisher, str]]:
    """A server on a free port, and its address."""
    with Publisher(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


async def test_a_token_of_a_trusted_issuer_calls_a_node(running_node: Running, tmp_path: Path) -> None:
    """Whose keys are fetched, and fetched again for one that is not known; and who is audited by the principal."""
    with publishing() as (server, url):
        server.content = published("RS256")
        file = tmp_path / "issuers.toml"
        file.write_text(f'[[issuer]]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = "{url}"\n')
        async with running_node(issuers=file) as (node, dev):
            await dev.grants.give("person:ada", "agent:echo:invoke")
            async with MeshClient(node.grpc_address, signed("RS256")) as ada:
                assert await ada.call("echo", "say", WORDS) == WORDS
                assert await ada.call("echo", "say", WORDS) == WORDS
            assert server.asked == 1
            server.content = published("RS256", "ES256")
            async with MeshClient(node.grpc_address, signed("ES256")) as ada:
                assert await ada.call("echo", "say", WORDS) == WORDS
            async with MeshClient(node.grpc_address, signed("EdDSA")) as nobody:
                for _ in range(5):
                    with pytest.raises(Unauthenticated):
                        await nobody.call("echo", "say", WORDS)
            assert server.asked == 2  # nobody makes a node ask more often than every ten seconds


async def test_an_issuer_that_is_away_ends_nobodys_work() -> None:
    """Its keys are good until others are read; one that never came is asked again."""
    with publishing() as (server, url):
        server.content = published(*PRIVATE)
        issuer = Issuer(ISSUER, (AUDIENCE,), url)
        async with Issuers.followed([issuer], Pace(url=60.0)) as issuers:
            source = issuers.find(ISSUER)
            assert source is not None
            server.content = b"out of order"
            assert not await source.read()
            assert source.key("EdDSA", "EdDSA") is not None
    async with Issuers.followed([issuer], Pace(url=60.0)) as issuers:
        source = issuers.find(ISSUER)
        assert source is not None
        assert source.key("EdDSA", "EdDSA") is None


async def test_a_fetch_goes_nowhere_else_takes_no_more_and_waits_no_longer() -> None:
    """Neither a redirect, nor too much, nor a server that never ends."""
    with publishing() as (server, url):
        server.location = "http://127.0.0.1:1/elsewhere"
        with pytest.raises(OSError, match="302"):
            await asyncio.to_thread(fetched, url, 5.0)
        server.location, server.content = "", b"x" * 300_000
        with pytest.raises(OSError, match="has more than"):
            await asyncio.to_thread(fetched, url, 5.0)
        server.content, server.dripping = b"x", threading.Event()
        begun = monotonic()
        with pytest.raises(OSError, match="timed out"):
            await asyncio.to_thread(fetched, url, 0.2)
        assert monotonic() - begun < 5
        server.dripping.set()
    for url in ("http://id.test/keys", "file:///etc/passwd", "ftp://127.0.0.1/keys"):
        with pytest.raises(OSError, match="neither https"):
            fetched(url, 1.0)
