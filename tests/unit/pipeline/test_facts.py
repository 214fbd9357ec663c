"""Where a call comes from, as gRPC writes it."""

from __future__ import annotations

import pytest

from a2a_node.model.call import Call
from a2a_node.pipeline.facts import address_of, trace_of


async def done(_: Call) -> None:
    """Nothing more to do."""


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:4711", "10.0.0.7"),
        ("ipv6:[::1]:4711", "::1"),
        ("ipv6:%5B2001:db8::7%5D:4711", "2001:db8::7"),
        ("ipv6:[fe80::1%25eth0]:4711", "fe80::1"),
        ("unix:/run/node.sock", ""),
        ("inside", ""),
        ("", ""),
    ],
)
def test_an_address_has_no_port(peer: str, address: str) -> None:
    """And what is none is left out."""
    assert address_of(peer) == address


def test_a_trace_that_the_caller_names_is_told_where_the_node_makes_none() -> None:
    """One that is malformed is none."""
    made = Call(method="/m", rest=done, metadata={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    assert trace_of(made) == "ab" * 16
    assert trace_of(Call(method="/m", rest=done, metadata={"traceparent": "nonsense"})) == ""
