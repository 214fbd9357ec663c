"""The door for MCP as HTTP meets it: who comes in, from where, with how much, and what of the protocol is bad."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from a2a_node.model.audit import AuditOutcome
from a2a_node.node import Node
from tests.integration.mcp_clients import Answer, asked, request
from tests.integration.people import Meet, meet
from tests.integration.test_audit import events
from tests.unit.access.keys_house import AUDIENCE, ISSUER, published, signed

__all__ = ["meet"]
LIST = request("tools/list")
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def ask(node: Node, body: bytes | None, path: str = "/mcp", **headers: str) -> Answer:
    """One request, beside the loop that serves it."""
    return await asyncio.to_thread(asked, node, body, path, **headers)


async def test_whoever_is_not_known_is_told_where_to_ask(meet: Meet, tmp_path: Path) -> None:
    """With no key and with a wrong one; the metadata names the issuers, whose tokens are good here, too."""
    keys, file = tmp_path / "keys.json", tmp_path / "issuers.toml"
    keys.write_bytes(published("RS256"))
    file.write_text(f'[[issuer]]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = "{keys}"\n')
    async with meet(issuers=file) as one:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}):
            refused = await ask(one.node, LIST, **headers)
            assert refused.status == 401
            assert refused.headers["www-authenticate"].startswith('Bearer realm="a2a-node"')
        where = refused.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
        place = f"http://{one.node.http_address}"
        assert where == f"{place}/.well-known/oauth-protected-resource/mcp"
        told = await ask(one.node, None, where.removeprefix(place))
        assert told.json()["resource"] == f"{place}/mcp"
        assert told.json()["authorization_servers"] == [ISSUER]
        assert (await ask(one.node, LIST, authorization=f"Bearer {signed('RS256')}")).status == 200
        assert {event.fact.action for event in await events(one.dev, 1, outcome=AuditOutcome.REFUSED)} == {"mcp:ask"}


async def test_foreign_names_pages_and_methods_are_turned_away(meet: Meet) -> None:
    """Before anybody is asked for a key."""
    async with meet() as one:
        key = f"Bearer {one.dev_key}"
        assert (await ask(one.node, LIST, authorization=key, host="evil.example")).status == 421
        assert (await ask(one.node, LIST, authorization=key, origin="https://evil.example")).status == 403
        assert (await ask(one.node, LIST, authorization=key, origin="http://localhost:6274")).status == 200
        refused = await ask(one.node, None, authorization=key)
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
        assert (await ask(one.node, None, "/.well-known/oauth-protected-resource", host="evil.example")).status == 421


async def test_a_door_that_is_closed_is_not_there(meet: Meet) -> None:
    """By the setting."""
    async with meet(mcp="off") as one:
        assert (await ask(one.node, LIST, authorization=f"Bearer {one.dev_key}")).status == 404


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_bad_requests_are_refused_and_the_node_goes_on(meet: Meet, version: str) -> None:
    """What is no JSON, no JSON-RPC, of no known method, or too much."""
    async with meet() as one:
        headers = {"authorization": f"Bearer {one.dev_key}", "mcp_protocol_version": version}
        for body in (b"", b"{", b"[]", b'"text"', b'{"jsonrpc":"1.0"}', b"[" * 100_000, b"\xff\xfe"):
            assert (await ask(one.node, body, **headers)).status == 400, body[:20]
        huge = await ask(one.node, b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (20 << 20) + b'"}', **headers)
        assert huge.status == 413
        unknown = await ask(one.node, request("tools/sing"), **headers)
        assert "error" in unknown.json()
        again = await ask(one.node, LIST, authorization=headers["authorization"])
        assert again.status == 200
        assert "tools" in str(again.json())


async def test_arguments_that_are_none_are_refused_by_the_protocol(meet: Meet) -> None:
    """So is a cursor of no list; what stands in `_meta` is checked by the node."""
    async with meet() as one:
        key = f"Bearer {one.dev_key}"
        for params in ({"name": "echo__say", "arguments": []}, {"name": 7}, {}):
            answer = (await ask(one.node, request("tools/call", **params), authorization=key)).json()
            assert answer["error"]["code"] == -32602  # type: ignore[index]
        answer = (await ask(one.node, request("tools/list", cursor="x"), authorization=key)).json()
        assert answer["error"]["data"] == {"reason": "PAGE_TOKEN_INVALID"}  # type: ignore[index]
        for meta in ({"a2amesh/timeout": -1}, {"a2amesh/idempotency_key": 7}, {"a2amesh/budget": {"calls": "x"}}):
            call = request("tools/call", name="echo__say", arguments={"text": "x"}, _meta=meta)
            result = (await ask(one.node, call, authorization=key)).json()["result"]
            assert result["_meta"]["a2amesh/error"]["reason"] == "INVALID_INPUT"  # type: ignore[index]


async def test_a_call_is_audited_in_its_trace_and_repeats_by_its_key(meet: Meet) -> None:
    """The request's own word on its trace goes before the connection's."""
    async with meet(audit_calls=True) as one:
        key = f"Bearer {one.dev_key}"
        parent = f"00-{TRACE}-b7ad6b7169203331-01"
        meta = {"traceparent": parent, "a2amesh/idempotency_key": "k-1"}
        for text, failed in (("x", False), ("x", False), ("y", True)):
            call = request("tools/call", name="echo__say", arguments={"text": text}, _meta=meta)
            result = (await ask(one.node, call, authorization=key)).json()["result"]
            assert result["isError"] is failed  # type: ignore[index]
        assert result["_meta"]["a2amesh/error"]["reason"] == "IDEMPOTENCY_KEY_REUSED"  # type: ignore[index]
        found = [event.fact for event in await events(one.dev, 2, action="agent:invoke")]
        assert {fact.trace_id for fact in found} == {TRACE}
        assert {(fact.user_id, fact.target) for fact in found} == {("person:dev", "agent:echo:say")}
