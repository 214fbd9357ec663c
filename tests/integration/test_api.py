"""The JSON face of the services on a whole node: the same layers, answers, refusals and audit as over gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.model.audit import AuditOutcome
from tests.integration.http_clients import Answer, Http
from tests.integration.people import Meet, Meeting, meet
from tests.integration.test_audit import events

__all__ = ["meet"]
SAY = {"capability": "say", "input": {"struct": {"text": "hello"}}}
TRACE = "0af7651916cd43dd8448eb211c80319c"


@asynccontextmanager
async def meeting(meet: Meet, **settings: object) -> AsyncIterator[tuple[Meeting, Http]]:
    """A node with its developer's key over HTTP."""
    async with meet(**settings) as one:
        yield one, Http(one.node.http_address, one.dev_key)


async def test_a_call_over_http_is_a_call(meet: Meet) -> None:
    """With the key as a Bearer token or by a header of its own; its answer says which version of the API it is of."""
    async with meeting(meet) as (one, http):
        answer = await http.ask("POST", "/api/v1/agents/echo:invoke", SAY)
        assert answer.status == 200, answer.body
        assert answer.headers["a2a-api-version"] == "v1"
        assert answer.json()["output"] == {"struct": {"text": "hello"}, "media_type": ""}
        unnamed = Http(one.node.http_address, "")
        assert (await unnamed.ask("POST", "/api/v1/agents/echo:invoke", SAY, x_api_key=one.dev_key)).status == 200
        kept = await http.ask("GET", f"/api/v1/calls/{answer.json()['call_id']}")
        assert dict(kept.json()["call"])["status"] == "CALL_STATUS_SUCCEEDED"  # type: ignore[call-overload]


async def test_whoever_is_not_known_or_may_not_is_refused_and_audited(meet: Meet) -> None:
    """By the layers that gRPC has, with the address and the program that asked; nobody speaks for another address."""
    async with meeting(meet) as (one, http):
        for key, status in (("", 401), ("wrong", 401), ("key-of-ann", 403)):
            told = {"user_agent": f"prober/{status}", "x_forwarded_for": "203.0.113.9", "traceparent": traced()}
            answer = await Http(http.address, key).ask("POST", "/api/v1/agents/echo:invoke", SAY, **told)
            assert answer.status == status
            assert ("www-authenticate" in answer.headers) == (status == 401)
        found = await events(one.dev, 2, outcome=AuditOutcome.REFUSED, action="agent:invoke")
        assert {(event.fact.ip_address, event.fact.trace_id) for event in found} == {("127.0.0.1", TRACE)}
        assert {event.fact.user_agent for event in found} == {"prober/401", "prober/403"}
        assert [event.fact.user_id for event in found if event.fact.user_agent == "prober/403"] == ["person:ann"]


def traced() -> str:
    """The header of a trace."""
    return f"00-{TRACE}-b7ad6b7169203331-01"


async def test_a_change_over_http_is_audited(meet: Meet) -> None:
    """With its target, as over gRPC."""
    async with meeting(meet) as (one, http):
        made = await http.ask("POST", "/api/v1/sessions", {"session_id": "s-1", "data": {"n": 1}}, user_agent="me/1")
        assert made.status == 200, made.body
        (event,) = await events(one.dev, 1, action="session:create")
        assert (event.fact.target, event.fact.user_agent, event.fact.ip_address) == ("session:s-1", "me/1", "127.0.0.1")
        changed = await http.ask("PATCH", "/api/v1/sessions/s-1", {"data": {"n": 2}, "expected_version": 1})
        assert changed.status == 200, changed.body
        assert (await http.ask("DELETE", "/api/v1/sessions/s-1")).json() == {"deleted": True}
        gone = await http.ask("GET", "/api/v1/sessions/s-1")
        assert (gone.status, gone.error["reason"]) == (404, "SESSION_NOT_FOUND")


async def test_fields_stand_in_the_path_the_query_and_the_body(meet: Meet) -> None:
    """By the contract's names or JSON's; whole numbers as texts or numbers; a mask by either."""
    async with meeting(meet) as (_, http):
        value = "/api/v1/namespaces/default/values/a%2Fb%3A%20%E2%98%83"
        assert (await http.ask("PUT", value, {"value": {"text": "x"}, "onlyIfAbsent": True})).json()["stored"] is True
        assert dict((await http.ask("GET", value)).json()["value"])["text"] == "x"  # type: ignore[call-overload]
        for delta, sum_ in (("3", "3"), (4, "7")):
            more = await http.ask("POST", "/api/v1/namespaces/default/values/n:increment", {"delta": delta})
            assert more.json()["value"] == sum_
        assert named(await http.ask("GET", "/api/v1/agents?category=diagnostics&enabled=true&page_size=5")) == ["echo"]
        assert named(await http.ask("GET", "/api/v1/agents?enabled=false")) == []
        for mask in ("enabled,config", "enabled"):
            change = {"agent": {"enabled": True}, "update_mask": mask}
            assert (await http.ask("PATCH", "/api/v1/agents/echo", change)).status == 200
        found = await http.ask("GET", "/api/v1/events?filter.action=agent:*&filter.userId=person:dev")
        assert found.status == 200, found.body


def named(answer: Answer) -> list[str]:
    """The agents of a list."""
    agents = answer.json()["agents"]
    assert isinstance(agents, list)
    return [agent["name"] for agent in agents]


BAD: Sequence[tuple[str, object, str]] = (
    ("POST agents/echo:invoke", b"{", "body"),
    ("POST agents/echo:invoke", b"\xff\xfe", "body"),
    ("POST agents/echo:invoke", b"[]", "body"),
    ("POST agents/echo:invoke", b"[" * 100_000, "body"),
    ("POST agents/echo:invoke", b'{"input":{"struct":{"a":1e999}}}', "body"),
    ("POST agents/echo:invoke", {"agent": "other"}, "agent"),
    ("POST agents/echo:invoke", {"capability": 1}, "capability"),
    ("POST agents/echo:invoke", {"capability": None}, "capability"),
    ("POST agents/echo:invoke", {"input": {"sturct": {}}}, "input.sturct"),
    ("POST agents/echo:invoke", {"input": {"text": "a", "data": "YQ=="}}, "input"),
    ("POST agents/echo:invoke", {"input": {"data": "?"}}, "input.data"),
    ("POST agents/echo:invoke", {"budget": {"calls": "many"}}, "budget.calls"),
    ("POST agents/echo:invoke", {"budget": {"calls": "99999999999999999999"}}, "budget.calls"),
    ("POST agents", {"agent": {"name": "x", "tags": ["a", 1]}}, "agent.tags[1]"),
    ("PATCH agents/echo", {"agent": {"name": "other"}, "update_mask": "enabled"}, "agent.name"),
    ("PATCH agents/echo", {"update_mask": "no_such"}, "update_mask"),
    ("POST keys", {"principal": "person:x", "name": "x", "ttl": "1 day"}, "ttl"),
    ("POST permission-requests/x:decide", {"decision": "MAYBE"}, "decision"),
    ("GET agents?page_size=many", None, "page_size"),
    ("GET agents?page_size=1&page_size=2", None, "page_size"),
    ("GET agents?%ff=1", None, "query"),
    ("GET agents?enabled=maybe", None, "enabled"),
    ("GET agents?colour=red", None, "colour"),
    ("GET events?filter.colour=red", None, "filter.colour"),
    ("GET events?filter=red", None, "filter"),
    ("GET events?start_time=yesterday", None, "start_time"),
    ("POST agents/echo:invoke?capability=say", {}, "query"),
    ("GET agents", {}, "body"),
)


async def test_bad_input_names_the_field(meet: Meet) -> None:
    """And the node goes on."""
    async with meeting(meet) as (_, http):
        for way, body, field in BAD:
            method, path = way.split()
            answer = await http.ask(method, f"/api/v1/{path}", body)
            assert (answer.status, answer.error["reason"]) == (400, "INVALID_INPUT"), way
            violations = answer.error["field_violations"]
            assert isinstance(violations, list)
            assert field in {violation["field"] for violation in violations}, (way, violations)
        assert (await http.ask("POST", "/api/v1/agents/echo:invoke", SAY)).status == 200


async def test_unknown_paths_methods_and_media_types_are_refused(meet: Meet) -> None:
    """As JSON, with what is served there."""
    async with meeting(meet) as (_, http):
        for path in ("/", "/api", "/api/v1", "/api/v1/", "/api/v1/cars", "/api/v2/agents"):
            answer = await http.ask("GET", path)
            assert (answer.status, answer.error["reason"]) == (404, "PATH_NOT_FOUND"), path
        for path in ("..%2f..%2fetc%2fpasswd", "%00", "a%0d%0aX-Evil%3A%201", "%2e%2e", "../../etc/passwd"):
            answer = await http.ask("GET", f"/api/v1/agents/{path}")
            assert (answer.status, answer.error["reason"]) == (403, "REQUEST_BLOCKED"), path
            assert "x-evil" not in answer.headers
        answer = await http.ask("DELETE", "/api/v1/agents")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
        answer = await http.ask("POST", "/api/v1/agents/echo:invoke", SAY, content_type="text/xml")
        assert (answer.status, answer.error["message"]) == (400, "content-type: must be application/json")
        assert (await http.ask("POST", "/api/v1/peers:link", {})).status == 404


async def test_a_body_over_the_limit_is_refused(meet: Meet) -> None:
    """By what it declares; the client hears why."""
    async with meeting(meet, payload_limit=64 * 1024) as (_, http):
        answer = await http.ask("POST", "/api/v1/agents/echo:invoke", b" " * (1 << 20))
        assert (answer.status, answer.error["reason"]) == (413, "BODY_TOO_LARGE")
        large = {"capability": "say", "input": {"text": "x" * (65 * 1024)}}
        answer = await http.ask("POST", "/api/v1/agents/echo:invoke", large)
        assert (answer.status, answer.error["reason"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_call_has_the_time_that_its_header_gives(meet: Meet) -> None:
    """And ends when its client leaves."""
    begun, stopped = asyncio.Event(), asyncio.Event()
    sleeper = Agent("sleeper")

    @sleeper.capability
    async def sleep() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    async with meeting(meet) as (one, http), attached(sleeper, one.node.grpc_address, key=one.dev_key):
        late = await http.ask("POST", "/api/v1/agents/sleeper:invoke", {}, a2a_timeout="0.2")
        assert (late.status, late.error["reason"]) == (504, "DEADLINE_EXCEEDED")
        wrong = await http.ask("POST", "/api/v1/agents/sleeper:invoke", {}, a2a_timeout="soon")
        assert (wrong.status, wrong.error["message"]) == (
            400,
            "a2a-timeout: must be a number of seconds above 0, for example 2.5",
        )
        begun.clear()
        stopped.clear()
        async with asyncio.timeout(30):
            asking = asyncio.create_task(http.ask("POST", "/api/v1/agents/sleeper:invoke", {}))
            await begun.wait()
            asking.cancel()
            await stopped.wait()


async def test_limits_hold_and_say_when_to_ask_again(meet: Meet) -> None:
    """By status 429 and Retry-After."""
    async with meeting(meet) as (_, http):
        key = {"key": {"agent": "echo", "capability": "say"}, "rate": 0.001, "burst": "1"}
        assert (await http.ask("PUT", "/api/v1/limit", key)).status == 200
        shown = await http.ask("GET", "/api/v1/limit?key.principal=person:dev&key.agent=echo&key.capability=say")
        assert dict(shown.json()["limit"])["rate"] == 0.001  # type: ignore[call-overload]
        async with asyncio.timeout(30):
            while (answer := await http.ask("POST", "/api/v1/agents/echo:invoke", SAY)).status == 200:
                pass
        assert (answer.status, answer.error["reason"]) == (429, "RATE_LIMITED")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.error["retry_after"]


async def test_the_node_at_a_glance(meet: Meet) -> None:
    """For whoever may read the registry."""
    async with meeting(meet) as (one, http):
        status = await http.ask("GET", "/api/agent?action=status")
        assert status.status == 200
        assert status.json()["ok"] is True
        assert dict(status.json()["agents"])["categories"] == {"diagnostics": 1}  # type: ignore[call-overload]
        for path in ("/api/agent", "/api/agent?action=restart", "/api/agent?action=status&action=status"):
            refused = await http.ask("GET", path)
            assert refused.status == 400
            assert "error" in refused.json()
        assert (await http.ask("POST", "/api/agent?action=status")).headers["allow"] == "GET"
        await http.ask("POST", "/api/v1/agents/echo:invoke", SAY)
        shown = (await http.ask("GET", "/api/v1/dashboard")).json()
        assert (shown["node_id"], shown["ready"], shown["invocations"]) == (one.node.id, True, 1)
        for path in ("/api/agent?action=status", "/api/v1/dashboard"):
            assert (await Http(http.address, "").ask("GET", path)).status == 401
            assert (await Http(http.address, "key-of-ann").ask("GET", path)).status == 403
        assert json.dumps(shown)
