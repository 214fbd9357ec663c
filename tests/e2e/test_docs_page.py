"""`/docs` in a real browser: it lists every operation, tries one, and asks nobody but its node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import urlsplit

import pytest

from tests.e2e.browser import Page, page
from tests.e2e.nodes import RunningNode
from tests.e2e.raw_http import get

LISTED = "[...document.querySelectorAll('nav a')].map(one => one.hash.slice(1))"
METHODS = frozenset(("get", "post", "put", "patch", "delete"))


@pytest.fixture(scope="module")
def docs(node: RunningNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, once it shows the document."""
    with page(tmp_path_factory.mktemp("browser")) as docs:
        docs.go(f"http://{node.http}/docs")
        docs.comes("document.querySelectorAll('details.operation').length")
        yield docs


def tried(docs: Page, operation: str, inputs: Mapping[str, str]) -> str:
    """What the page shows of the whole answer, after an operation was opened by its address, filled in and sent."""
    form = f"document.getElementById('{operation}').querySelector('form')"
    docs.shown(f"location.hash = '#{operation}'")
    docs.comes(form)
    for name, text in inputs.items():
        docs.shown(f"{form}.querySelector('[aria-label={name}]').value = {json.dumps(text)}")
    docs.shown(f"{form}.querySelector('[type=submit]').click()")
    said = f"{form}.querySelector('pre').textContent"
    return str(docs.comes(f"{said}.trimEnd().endsWith('}}') && {said}"))


def test_every_operation_of_the_document_is_listed(docs: Page, node: RunningNode) -> None:
    """Once in the contents and once beside its path."""
    api = json.loads(get(node.http, "/openapi.json").body)
    known = {each["operationId"] for item in api["paths"].values() for name, each in item.items() if name in METHODS}
    for shown in ("[...document.querySelectorAll('details.operation')].map(one => one.id)", LISTED):
        assert sorted(cast("list[str]", docs.shown(shown))) == sorted(known)
    assert docs.shown("document.getElementById('version').textContent") == api["info"]["version"]


def test_the_search_leaves_what_was_looked_for(docs: Page) -> None:
    """And gives everything back when it is emptied."""
    find = "document.getElementById('find')"
    counted = "[...document.querySelectorAll('details.operation')].filter(one => !one.hidden).length"
    everything = docs.shown(counted)
    docs.shown(f"{find}.value = 'dashboard'; {find}.dispatchEvent(new Event('input'))")
    assert 0 < int(str(docs.shown(counted))) < 5
    docs.shown(f"{find}.value = ''; {find}.dispatchEvent(new Event('input'))")
    assert docs.shown(counted) == everything


def test_an_operation_is_tried(docs: Page, node: RunningNode) -> None:
    """With the key of the page, or told that there is none."""
    body = {"capability": "say", "input": {"struct": {"text": "from a browser"}}}
    inputs = {"agent": "echo", "body": json.dumps(body)}
    said = tried(docs, "invoke", inputs)
    assert "401" in said
    assert "UNAUTHENTICATED" in said
    docs.shown(f"document.getElementById('key').value = {json.dumps(node.key)}")
    said = tried(docs, "invoke", inputs)
    assert "200 OK" in said
    assert "from a browser" in said


def test_a_conversation_is_tried(docs: Page, node: RunningNode) -> None:
    """By a WebSocket, with the key of the page; what the node says of a wrong message is shown."""
    form = "document.getElementById('converseSocket').querySelector('form')"
    docs.shown("location.hash = '#converseSocket'")
    docs.comes(form)
    docs.shown(f"document.getElementById('key').value = {json.dumps(node.key)}")
    docs.shown(f"{form}.querySelector('[aria-label=agent]').value = 'echo'")
    said, buttons = f"{form}.querySelector('pre').textContent", f"{form}.querySelectorAll('button')"
    for button, word in ((0, "open"), (1, "closed")):
        docs.shown(f"{form}.querySelector('textarea').value = '{{\"opening\": {{}}}}'")
        docs.shown(f"{buttons}[{button}].click()")
        docs.comes(f"{said}.includes('{word}')")
    shown = str(docs.shown(said))
    assert '"opening"' in shown
    assert "closed 4400 INVALID_INPUT" in shown


def test_nobody_but_the_node_is_asked(docs: Page, node: RunningNode) -> None:
    """Nor has the page anything to complain of, such as what its own policy keeps out."""
    assert f"http://{node.http}/openapi.json" in docs.asked
    assert {urlsplit(address).netloc for address in docs.asked if not address.startswith("data:")} == {node.http}
    assert [text for text in docs.complaints if "401" not in text] == []
