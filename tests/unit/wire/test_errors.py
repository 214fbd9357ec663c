"""Errors on the wire: what goes out comes back."""

from __future__ import annotations

import inspect

import pytest
from google.rpc import code_pb2

from a2a_node.model import errors
from a2a_node.model.errors import AgentRefused, InvalidInput, MeshError, StoreUnavailable, revived
from a2a_node.wire.errors import from_call_error, from_status, to_call_error, to_details
from a2amesh.v1 import errors_pb2

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MeshError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_failure_has_a_code_of_grpc_and_a_reason_of_the_contract(kind: type[MeshError]) -> None:
    """So that a client can rely on both."""
    assert kind.code in code_pb2.Code.keys()  # noqa: SIM118 - an enum wrapper is no mapping
    assert f"ERROR_REASON_{kind.reason}" in errors_pb2.ErrorReason.keys()  # noqa: SIM118


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_failure_comes_back_as_its_own_class(kind: type[MeshError]) -> None:
    """With its code, reason, message and variables, by status details and by frame."""
    sent = revived(kind.code, kind.reason, "what happened", {"agent": "echo"})
    for back in (from_status(sent.code, sent.message, to_details(sent)), from_call_error(to_call_error(sent))):
        assert (type(back), back.code, back.reason, back.message) == (type(sent), sent.code, sent.reason, sent.message)
        assert back.variables["agent"] == "echo"


def test_bad_input_names_its_fields() -> None:
    """All of them, in order."""
    sent = InvalidInput("input.text", "is required", [("input.n", "is no number")])
    back = from_status(sent.code, sent.message, to_details(sent))
    assert list(back.violations) == [("input.text", "is required"), ("input.n", "is no number")]


def test_what_can_be_retried_says_when() -> None:
    """In seconds."""
    sent = StoreUnavailable("redis")
    back = from_status(sent.code, sent.message, to_details(sent))
    assert back.retryable
    assert back.retry_after == 1.0


@pytest.mark.parametrize(("code", "again"), [("UNAVAILABLE", True), ("ABORTED", False)])
@pytest.mark.parametrize("reason", ["AGENT_REFUSED", "SHOP_CLOSED"])
def test_an_agent_that_is_unavailable_may_be_asked_again(reason: str, code: str, again: bool) -> None:  # noqa: FBT001
    """Before and after it went over a wire."""
    sent = AgentRefused("closed until noon", code=code, reason=reason)
    status = from_status(sent.code, sent.message, to_details(sent))
    assert [each.retryable for each in (sent, status, from_call_error(to_call_error(sent)))] == [again] * 3


@pytest.mark.parametrize("details", [None, b"", b"\xff\xff garbage"])
def test_a_status_without_details_is_still_an_error(details: bytes | None) -> None:
    """Its reason is its code."""
    assert from_status("UNAVAILABLE", "gone", details).reason == "UNAVAILABLE"


def test_an_agents_own_code_must_be_grpcs() -> None:
    """Anything else becomes INTERNAL."""
    assert from_call_error(to_call_error(revived("NONSENSE", "X", "y", {}))).code == "INTERNAL"
