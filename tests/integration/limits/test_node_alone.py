"""A whole node whose Redis goes away: calls go on within its share, and it says so."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from a2a_node.client import MeshClient
from a2a_node.model.limits import LimitKey
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from tests.integration.limits.valkey import valkey

SAY = LimitKey("person:dev", "echo", "say")


async def test_a_node_says_that_it_limits_alone_and_calls_go_on(
    data_dir: Path, postgres_url: str, tmp_path: Path
) -> None:
    """In health, in a metric and in GetLimit, until Redis is back."""
    data_dir.mkdir()  # noqa: ASYNC240 - it is quick
    ports = {"grpc_port": 0, "http_port": 0, "peer_port": 0}
    settings = Settings.model_validate({"data_dir": data_dir, "drain": 1.0, **ports})
    async with (
        valkey(tmp_path) as server,
        running(settings, postgres_url, server.url) as node,
        MeshClient(node.grpc_address, node.key_file.read_text().strip()) as mesh,
    ):

        async def alone() -> bool:
            found = (await mesh.limits.get(SAY)).bucket
            return found is not None and found.fallback

        assert await page(node, "readyz", '"limits":"(.*?)"') == "ok"
        assert not await alone()
        await server.kill()
        assert [await mesh.call("echo", "say", {"text": "on"}) for _ in range(20)] == [{"text": "on"}] * 20
        await until(alone)
        assert await page(node, "readyz", '"limits":"(.*?)"') == "own share"
        assert await page(node, "metrics", r"\na2a_limit_alone (\S+)") == "1.0"
        assert await page(node, "metrics", r"\na2a_limit_fallbacks_total (\S+)") == "1.0"
        await server.start()

        async def together() -> bool:
            return not await alone()

        await until(together)
        assert await page(node, "metrics", r"\na2a_limit_alone (\S+)") == "0.0"
        assert await mesh.call("echo", "say", {"text": "on"}) == {"text": "on"}


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so."""
    async with asyncio.timeout(20):
        while not await fact():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def page(node: Node, path: str, pattern: str) -> str:
    """What stands on a page of the node."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{node.http_address}/{path}", timeout=5) as response:
            return str(response.read().decode())

    text = await asyncio.to_thread(read)
    if path == "readyz":
        text = json.dumps(json.loads(text), separators=(",", ":"))
    found = re.search(pattern, text)
    assert found, text
    return found[1]
