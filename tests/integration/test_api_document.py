"""The document tells the truth: its examples work on a node, and what a node answers is what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlencode

import jsonschema_rs
import yaml

from a2a_node.web.api.document.examples import EXAMPLES
from a2a_node.web.api.resources import endpoints_of
from tests.integration.http_clients import Exchange, Http
from tests.integration.people import Meet, meet
from tests.unit.web.api.contract import METHODS

__all__ = ["meet"]
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
ASKED = (
    *(
        "AgentDescriptor",
        "AgentCapability",
        "AgentStatus",
        "AgentStats",
        "DashboardMetrics",
        "WorkflowStep",
        "Workflow",
    ),
    *("PermissionGrant", "AuditEvent", "McpServer", "Error"),
)
Node = Mapping[str, object]


def at(node: object, *path: str) -> Node:
    """What stands at a path of the document."""
    for step in path:
        node = cast("Node", node)[step]
    return cast("Node", node)


class Trial:
    """The examples of the document, tried on a node."""

    def __init__(self, http: Http, document: Node) -> None:
        self._http, self._document = http, document
        self._operations = {
            str(at(operation)["operationId"]): (method.upper(), path, at(operation))
            for path, item in at(document, "paths").items()
            for method, operation in at(item).items()
        }

    async def tried(self, name: str) -> None:
        """Send the example of an operation; its answer is what the document says."""
        method, path, operation = self._operations[name[0].lower() + name[1:]]
        query: dict[str, str] = {}
        for parameter in cast("list[Node]", operation.get("parameters", [])):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(str(parameter["example"]), safe=""))
            elif "example" in parameter:
                query[str(parameter["name"])] = str(parameter["example"])
        has_body = "requestBody" in operation
        body = at(operation, "requestBody", "content", "application/json")["example"] if has_body else None
        target = f"{path}?{urlencode(query)}" if query else path
        async with self._http.asking(method, target, body) as (exchange, head):
            kind = head.headers["content-type"]
            said = await first(exchange) if kind == "text/event-stream" else (await exchange.whole(head)).json()
        assert head.status == 200, (name, said)
        content = at(operation, "responses", "200", "content", kind)
        self._fits(name, content.get("x-event", content.get("schema")), said)

    def _fits(self, name: str, schema: object, said: object) -> None:
        whole = {**at(schema), "components": self._document["components"]}
        errors = list(jsonschema_rs.Draft4Validator(whole).iter_errors(said))
        assert errors == [], (name, [error.message for error in errors])


async def first(exchange: Exchange) -> object:
    """The data of a stream's first event."""
    async for event in exchange.events():
        return event.data
    raise AssertionError("a stream without events")


def read() -> Node:
    """The document in the repository."""
    return cast("Node", yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")))


async def test_every_example_works_and_its_answer_is_as_described(meet: Meet) -> None:
    """In the order in which they stand, on a node where nothing happened before."""
    async with meet(workflows=True) as one:
        trial = Trial(Http(one.node.http_address, one.dev_key), read())
        for name in EXAMPLES:
            await trial.tried(name)
        for name in ("agentStatus", "dashboard", "alive", "ready"):
            await trial.tried(name)


async def test_a_node_shows_the_document_and_a_page_without_anything_from_elsewhere(meet: Meet) -> None:
    """And without a key; the page names no other host."""
    async with meet() as one:
        http = Http(one.node.http_address, "")
        shown = await http.ask("GET", "/openapi.json")
        assert shown.json() == read()
        page = await http.ask("GET", "/docs")
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        parts = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
        assert {"/docs/page.js", "/docs/page.css", "/openapi.json"} <= set(parts)
        for path in parts:
            assert path == "data:," or (await http.ask("GET", path)).status == 200
        for path in ("/docs", "/docs/page.js", "/docs/page.css"):
            assert b"//" not in re.sub(rb"^\s*//.*$", b"", (await http.ask("GET", path)).body, flags=re.MULTILINE)
        assert (await http.ask("POST", "/docs")).headers["allow"] == "GET, HEAD"


def test_the_document_has_every_endpoint_and_the_schemas_that_were_asked_for() -> None:
    """By their names; both ways to say who asks."""
    document = read()
    ways = {(method.upper(), path) for path, item in at(document, "paths").items() for method in at(item)}
    assert {(endpoint.method, endpoint.path) for endpoint in endpoints_of(METHODS)} <= ways
    assert {("GET", path) for path in ("/api/agent", "/api/v1/dashboard", "/healthz", "/readyz", "/metrics")} <= ways
    assert set(ASKED) <= set(at(document, "components", "schemas"))
    assert {kind["type"] for kind in map(at, at(document, "components", "securitySchemes").values())} == {
        "http",
        "apiKey",
    }
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        assert at(document, *reference.split("/"))
