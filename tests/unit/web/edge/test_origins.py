"""Whoever reaches the door by a foreign name, or from a foreign page, is turned away."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from a2a_node.web.edge.origins import Guard

guard = Guard(("node.example", ""))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "10.0.0.7:8080", "NODE.example:8080"])
def test_addresses_and_known_names_come_in(host: str) -> None:
    """No name server has a say in an address."""
    assert guard.refusal(Headers({"host": host})) is None


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:8080", "localhost.evil.example", "[::1", "a b"])
def test_other_names_do_not(host: str) -> None:
    """They may have been made to mean this machine."""
    refused = guard.refusal(Headers({"host": host}))
    assert refused is not None
    assert refused[0] == 421


@pytest.mark.parametrize(
    ("origin", "comes_in"),
    [
        ("http://10.0.0.7:8080", True),
        ("http://localhost:6274", True),
        ("https://node.example", True),
        ("http://10.0.0.8:8080", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_pages_come_from_here(origin: str, *, comes_in: bool) -> None:
    """The node's own, or this machine's."""
    refused = guard.refusal(Headers({"host": "10.0.0.7:8080", "origin": origin}))
    assert (refused is None) is comes_in
