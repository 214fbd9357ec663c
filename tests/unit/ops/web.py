"""A web server over a folder and a cache before it, both on loopback: what a site is deployed to."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError


class Files(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Cache(BaseHTTPRequestHandler):
    """Keeps what it has fetched until it is told to forget it."""

    kept: dict[str, bytes]
    behind: str

    def do_GET(self) -> None:
        """What is kept, or what is behind it."""
        status = 200
        if self.path not in self.kept:
            try:
                with urllib.request.urlopen(self.behind + self.path) as answer:  # noqa: S310 - on loopback
                    self.kept[self.path] = answer.read()
            except HTTPError as error:
                status = error.code
        body = self.kept.get(self.path, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PURGE(self) -> None:
        """Forget a path."""
        self.send_response(200 if self.kept.pop(self.path, None) is not None else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: partial[Files] | type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def web(folder: Path) -> Iterator[tuple[str, str]]:
    """The URL of a folder that is served, and that of a cache before it."""
    with serving(partial(Files, directory=str(folder))) as url:
        cache = type("OneCache", (Cache,), {"kept": {}, "behind": url})
        with serving(cache) as cached:
            yield url, cached


def fetched(url: str) -> str:
    """What is served there."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - on loopback
        return str(answer.read().decode())
