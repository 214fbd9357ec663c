"""What passes through with a call, and what stays behind."""

from __future__ import annotations

import pytest

from a2a_node.model.proxied import Entries
from a2a_node.wire.passing import back, onward


def test_everything_else_passes_in_its_order() -> None:
    """Names that come twice, and bytes, as they are."""
    said: Entries = [("tenant", "a"), ("x-bin", b"\xff"), ("tenant", "b"), ("grpc-trace-bin", b"1"), ("cookie", "c=d")]
    assert onward(said) == said
    answered: Entries = [("etag", "1"), ("grpc-status-details-bin", b"\xff"), ("etag", "2"), ("baggage", "a=b")]
    assert back(answered) == answered


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "a2a-agent", "a2a-call-token", "traceparent", "te", "user-agent"]
)
def test_keys_and_what_concerns_one_hop_stay_behind(name: str) -> None:
    """And what the node says anew."""
    assert onward([(name, "x"), ("kept", "y")]) == [("kept", "y")]


@pytest.mark.parametrize("name", ["a2a-used", "content-type", "connection", "grpc-encoding"])
def test_what_an_agent_tells_the_node_alone_stays_there(name: str) -> None:
    """And what gRPC says by itself."""
    assert back([(name, "x"), ("kept", "y")]) == [("kept", "y")]
