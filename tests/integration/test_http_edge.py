"""What settings say of clients over HTTP: whose pages may read, which proxies are believed, and rules of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from a2a_node.client import MeshClient
from a2a_node.node import Node
from tests.integration.conftest import Running
from tests.integration.http_clients import Answer, Http
from tests.integration.test_audit import events

PAGE = "https://ops.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
RULES = """
[[rule]]
name = "small"
paths = ["/api/v1/sessions"]
max_body_bytes = 1000

[[rule]]
name = "rare"
methods = ["PUT"]
rate = 0.001
burst = 2

[[rule]]
name = "odd"
about = "nobody asks so"
when = "'x-odd' in headers && headers['x-odd'].matches('^[0-9]+$') && query != ''"
"""


def http_of(node: Node) -> Http:
    """A client with the developer's key."""
    return Http(node.http_address, node.key_file.read_text().strip())


async def test_pages_of_named_origins_alone_may_read(running_node: Running) -> None:
    """Refusals as well; the header names the very origin, never all of them."""
    async with running_node(http_cors_origins=(PAGE,)) as (node, _):
        http = http_of(node)
        for path in ("/api/v1/agents", "/api/v1/nothing"):
            assert (await http.ask("GET", path, origin=PAGE)).headers["access-control-allow-origin"] == PAGE
        before = await http.ask("OPTIONS", "/api/v1/agents", origin=PAGE, **PREFLIGHT)
        assert before.status == 200
        assert "authorization" in before.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in before.headers
        for stranger in ("https://evil.example", "https://ops.example.evil.example", "http://ops.example", "null"):
            answer = await http.ask("GET", "/api/v1/agents", origin=stranger)
            assert "access-control-allow-origin" not in answer.headers, stranger
            before = await http.ask("OPTIONS", "/api/v1/agents", origin=stranger, **PREFLIGHT)
            assert (before.status, before.error["reason"]) == (403, "ORIGIN_REFUSED")
            assert "access-control-allow-origin" not in before.headers, stranger


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"access-control-request-method": "PURGE"}, ["access-control-request-method"]),
        ({"access-control-request-headers": "authorization, x-odd"}, ["access-control-request-headers"]),
        (
            {"access-control-request-method": "PURGE", "access-control-request-headers": "x-odd"},
            ["access-control-request-method", "access-control-request-headers"],
        ),
        ({"access-control-request-private-network": "true"}, ["access-control-request-private-network"]),
    ],
    ids=["method", "header", "both", "network"],
)
async def test_what_a_page_may_not_ask_is_named(
    running_node: Running, asked: Mapping[str, str], fields: Sequence[str]
) -> None:
    """In the shape of all errors, which its page may read."""
    async with running_node(http_cors_origins=(PAGE,)) as (node, _):
        before = await http_of(node).ask("OPTIONS", "/api/v1/agents", origin=PAGE, **{**PREFLIGHT, **asked})
        assert (before.status, before.error["code"]) == (400, "INVALID_ARGUMENT")
        violations = before.error["field_violations"]
        assert isinstance(violations, list)
        assert [violation["field"] for violation in violations] == fields
        assert before.headers["access-control-allow-origin"] == PAGE


async def test_no_page_may_read_without_the_setting(running_node: Running) -> None:
    """Nor ask in a way that a browser would ask for leave for."""
    async with running_node() as (node, _):
        http = http_of(node)
        assert "access-control-allow-origin" not in (await http.ask("GET", "/api/v1/agents", origin=PAGE)).headers
        before = await http.ask("OPTIONS", "/api/v1/agents", origin=PAGE, **PREFLIGHT)
        assert before.status >= 400
        assert "access-control-allow-origin" not in before.headers


async def address_of(node: Node, mesh: MeshClient, headers: Mapping[str, str]) -> str:
    """Where the audit of a node says that a request came from."""
    answer = await http_of(node).ask("POST", "/api/v1/sessions", {"session_id": node.id}, **headers)
    assert answer.status == 200
    (event,) = await events(mesh, 1, action="session:*", node_id=node.id)
    return event.fact.ip_address


async def test_proxies_are_believed_where_the_settings_name_them(running_node: Running) -> None:
    """And nobody else, whatever they say; what a client says before a proxy says it counts for nothing."""
    said = {"x_forwarded_for": "198.51.100.1, 192.0.2.7", "x_forwarded_proto": "https"}
    async with running_node(node_id="plain") as (node, mesh):
        assert await address_of(node, mesh, said) == "127.0.0.1"
        assert "strict-transport-security" not in (await http_of(node).ask("GET", "/healthz", **said)).headers
    async with running_node(node_id="proxied", http_trusted_proxies=("127.0.0.0/8",)) as (node, mesh):
        assert await address_of(node, mesh, said) == "192.0.2.7"
        assert "strict-transport-security" in (await http_of(node).ask("GET", "/healthz", **said)).headers


async def test_rules_of_ones_own_take_the_place_of_the_nodes(running_node: Running, tmp_path: Path) -> None:
    """What they keep out is told to the client, the audit and the metrics."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES, encoding="utf-8")
    async with running_node(http_rules=file) as (node, mesh):
        http = http_of(node)

        def refused(answer: Answer) -> tuple[int, object]:
            return answer.status, answer.error["reason"]

        large = {"session_id": "large", "state": {"text": "x" * 2000}}
        assert refused(await http.ask("POST", "/api/v1/sessions", large)) == (413, "BODY_TOO_LARGE")
        assert (await http.ask("POST", "/api/v1/sessions", {"session_id": "small"})).status == 200
        rare = [refused(await http.ask("PUT", "/api/v1/agents")) for _ in range(3)]
        assert rare == [(405, "METHOD_NOT_ALLOWED")] * 2 + [(429, "TOO_MANY_REQUESTS")]
        assert refused(await http.ask("GET", "/api/v1/agents?a=b", x_odd="7")) == (403, "REQUEST_BLOCKED")
        assert (await http.ask("GET", "/api/v1/agents", x_odd="7")).status == 200
        assert (await http.ask("PUT", "/healthz")).status == 405, "health is let by"
        told = {event.fact.target: event.fact.reason for event in await events(mesh, 3, action="http:request")}
        assert told == {"rule:small": "BODY_TOO_LARGE", "rule:rare": "TOO_MANY_REQUESTS", "rule:odd": "REQUEST_BLOCKED"}
        page = (await http.ask("GET", "/metrics")).body.decode()
        for rule in ("small", "rare", "odd"):
            assert f'a2a_http_blocked_total{{rule="{rule}"}} 1.0' in page
