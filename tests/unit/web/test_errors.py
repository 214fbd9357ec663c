"""Failures over HTTP have one shape."""

from __future__ import annotations

import json

import pytest

from a2a_node.model.errors import (
    AgentNotFound,
    BodyTooLarge,
    InvalidInput,
    MeshError,
    MethodNotAllowed,
    PayloadTooLarge,
    TooManyConnections,
    Unauthenticated,
)
from a2a_node.model.errors.base import CODES
from a2a_node.web.errors import STATUSES, answer_of


def test_a_failure_says_its_code_its_reason_and_what_to_do() -> None:
    """And nothing else where no field is at fault."""
    failure = AgentNotFound("nobody")
    answer = answer_of(failure)
    assert answer.status_code == 404
    error = {"code": "NOT_FOUND", "reason": "AGENT_NOT_FOUND", "message": failure.message}
    assert json.loads(bytes(answer.body)) == {"error": error}


def test_bad_input_names_its_fields() -> None:
    """All of them, in order."""
    answer = answer_of(InvalidInput("input.text", "is required", [("input.n", "is no number")]))
    assert answer.status_code == 400
    assert json.loads(bytes(answer.body))["error"]["field_violations"] == [
        {"field": "input.text", "description": "is required"},
        {"field": "input.n", "description": "is no number"},
    ]


@pytest.mark.parametrize(
    ("failure", "status", "header"),
    [
        (Unauthenticated(), 401, ("www-authenticate", 'Bearer realm="a2a-node"')),
        (TooManyConnections(7), 503, ("retry-after", "1")),
        (MethodNotAllowed("PUT", "GET, HEAD"), 405, ("allow", "GET, HEAD")),
        (BodyTooLarge(7), 413, ("content-type", "application/json")),
        (PayloadTooLarge(8, 7), 413, ("content-type", "application/json")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MeshError) else "",
)
def test_http_says_it_in_its_own_words_too(failure: MeshError, status: int, header: tuple[str, str]) -> None:
    """By its status, and by the header that belongs to it."""
    answer = answer_of(failure)
    assert (answer.status_code, answer.headers[header[0]]) == (status, header[1])


def test_every_code_of_grpc_has_a_status() -> None:
    """None falls back to 500."""
    assert STATUSES.keys() == CODES
