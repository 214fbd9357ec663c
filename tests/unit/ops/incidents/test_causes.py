"""Evidence is grouped, and rules name what is behind it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from a2a_node.model.audit import AuditOutcome
from a2a_node.model.ops_ports import LogLine
from a2a_node.model.tap import EndedCall
from a2a_node.ops.incidents.causes import Case, likely
from a2a_node.ops.incidents.grouping import edges, failures, messages, normalised, places
from a2a_node.ops.incidents.logs import Lines, listening
from a2a_node.ops.incidents.remedies import Done
from a2a_node.ops.incidents.traces import MOST_CALLS, examples
from a2a_node.ops.incidents.verdict import judged
from a2a_node.ops.incidents.words import Cause, Deviation, Evidence, Remedy, Severity


def call(agent: str, reason: str = "", path: tuple[str, ...] = (), seconds: float = 0.01, by: str = "") -> EndedCall:
    """A call that has ended."""
    outcome = AuditOutcome.FAILED if reason else AuditOutcome.SUCCEEDED
    user = by or "person:ann"
    return EndedCall(1.0, seconds, "/m", agent, "do", user, user, outcome, reason, f"c-{agent}", path, "t", "")


def deviation(agent: str, kind: str = "error_rate", value: float = 0.9, baseline: float = 0.0) -> Deviation:
    """Something that has left its baseline."""
    return Deviation.model_validate(
        {
            "kind": kind,
            "agent": agent,
            "capability": "do",
            "value": value,
            "baseline": baseline,
            "calls": 40,
            "severity": Severity.HIGH,
            "why": "numbers",
        }
    )


def case(deviations: Sequence[Deviation], calls: Sequence[EndedCall]) -> Case:
    """What is known."""
    evidence = Evidence(
        since=0,
        until=10,
        calls=len(calls),
        groups=failures(calls),
        edges=edges(calls),
        places=places(calls, lambda _: ["i1", "i2", "i3"]),
    )
    return Case(deviations, evidence)


def first(deviations: Sequence[Deviation], calls: Sequence[EndedCall]) -> Cause:
    """The likeliest cause."""
    return likely(case(deviations, calls))[0]


@pytest.mark.parametrize(
    ("message", "alike"),
    [
        ("call 8f14e45f-ceea-467f-9c3a-2f1b7c6d5e4a took 31.5 s", "call <id> took <n> s"),
        ("no agent is registered as 'baker'", "no agent is registered as <text>"),
        ("at 0x7f3a2b by deadbeefcafe1234", "at <hex> by <hex>"),
    ],
    ids=["id", "quoted", "hex"],
)
def test_messages_are_alike_without_what_differs(message: str, alike: str) -> None:
    """Ids, numbers and names are no part of what happened."""
    assert normalised(message) == alike


def test_an_agent_that_fails_by_itself_is_the_cause() -> None:
    """Those who call it are not."""
    calls = [*[call("shop", "AGENT_FAILED") for _ in range(20)], *[call("baker", path=("shop",)) for _ in range(20)]]
    found = first([deviation("shop")], calls)
    assert (found.kind, found.agent, found.remedy.action) == ("agent_failing", "shop", "disable_agent")
    assert found.why[-1] == "what it calls does not fail: baker"


def at(instance: str, *reasons: str) -> list[EndedCall]:
    """Calls of the baker that came to one copy of it."""
    return [replace(call("baker", reason), instance=instance) for reason in reasons]


FAILS, WORKS = ("AGENT_REFUSED",) * 20, ("",) * 20


@pytest.mark.parametrize(
    ("calls", "action"),
    [
        pytest.param([*at("i1", *FAILS), *at("i2", *WORKS), *at("i3", *WORKS)], "drain_instance", id="one"),
        pytest.param(at("i1", *FAILS), "drain_instance", id="one-that-has-all-the-calls"),
        pytest.param([*at("i1", *FAILS), *at("i2", *FAILS), *at("i3", *WORKS)], "disable_agent", id="two"),
        pytest.param([*at("i1", *FAILS), *at("i2", *WORKS, *FAILS[:3])], "disable_agent", id="another-is-not-well"),
        pytest.param([*at("i1", *FAILS[:4])], "disable_agent", id="too-few-calls"),
    ],
)
def test_of_several_copies_the_one_that_fails_is_drained(calls: list[EndedCall], action: str) -> None:
    """Where it alone does; the agent as a whole is disabled where more do."""
    found = first([deviation("baker")], calls)
    assert (found.kind, found.remedy.action) == ("agent_failing", action)
    assert found.remedy.instance == ("i1" if action == "drain_instance" else "")


@pytest.mark.parametrize(
    ("kind", "reason"), [("error_rate", "AGENT_FAILED"), ("latency", ""), ("error_rate", "AGENT_LOST")]
)
def test_an_mcp_server_is_restarted(kind: str, reason: str) -> None:
    """Whether it fails, takes long or is not there."""
    found = first([deviation("mcp.files", kind)], [call("mcp.files", reason) for _ in range(20)])
    assert (found.agent, found.remedy.action, found.remedy.server) == ("mcp.files", "restart_server", "files")


def test_failures_are_followed_down_to_where_they_begin() -> None:
    """A calls B calls C, and C is ill."""
    calls = []
    for _ in range(20):
        calls += [call("a", "AGENT_FAILED"), call("b", "AGENT_FAILED", ("a",)), call("c", "AGENT_FAILED", ("a", "b"))]
    found = first([deviation("a")], calls)
    assert found.agent == "c"
    assert "a calls b calls c" in found.why[-1]


def test_agents_that_call_in_a_circle_end_the_search() -> None:
    """Whatever the evidence says."""
    calls = [call("a", "AGENT_FAILED", ("b",)), call("b", "AGENT_FAILED", ("a",))] * 10
    assert first([deviation("a")], calls).agent in {"a", "b"}


def test_slow_calls_are_followed_down_too() -> None:
    """By the time that they take."""
    calls = [call("shop", seconds=1.0) for _ in range(20)]
    calls += [call("baker", path=("shop",), seconds=0.9) for _ in range(20)]
    found = first([deviation("shop", "latency", 1.0, 0.01)], calls)
    assert (found.kind, found.agent, found.remedy.action) == ("agent_slow", "baker", "lower_limit")


@pytest.mark.parametrize(
    ("reason", "kind", "action"),
    [
        ("RATE_LIMITED", "too_many_calls", "lower_limit"),
        ("AGENT_OVERLOADED", "too_many_calls", "lower_limit"),
        ("NO_INSTANCE", "agent_absent", "none"),
        ("PERMISSION_DENIED", "not_permitted", "none"),
        ("STORE_UNAVAILABLE", "store_away", "none"),
    ],
)
def test_reasons_tell_what_kind_of_fault_it_is(reason: str, kind: str, action: str) -> None:
    """And only what an agent may try is proposed."""
    calls = [call("baker", reason, by="person:bob") for _ in range(30)]
    found = next(cause for cause in likely(case([deviation("baker")], calls)) if cause.kind == kind)
    assert found.remedy.action == action
    if kind == "too_many_calls":
        assert found.remedy.principal == "person:bob"


def test_what_nothing_explains_is_said_to_be_unknown() -> None:
    """With no remedy."""
    found = first([deviation("baker")], [])
    assert (found.kind, found.confidence, found.remedy.action) == ("unknown", 0.0, "none")
    assert likely(case([], [])) == []


def test_logs_keep_what_is_said_by_the_software_itself() -> None:
    """Neither exceptions' words nor what callers gave."""
    with listening() as lines:
        log = logging.getLogger("somebody")
        log.warning("could not read %s", "a2a_k1_secretsecret")
        log.warning({"event": "agent failed", "agent": "baker", "text": "secret"})
        log.info("fine")
        error = KeyError("secret")
        for said in (error, (KeyError, error, None)):
            log.error({"event": "raised", "exc_info": said})  # in the form of structlog
        log.error("raised", exc_info=error)
    assert [(line.event, dict(line.about)) for line in lines.since(0)] == [
        ("somebody: could not read %s", {}),
        ("agent failed", {"agent": "baker"}),
        *[("raised", {"error": "KeyError"})] * 2,
        ("somebody: raised", {"error": "KeyError"}),
    ]
    group, *_ = messages([*lines.since(0), LogLine(1.0, "warning", "agent failed", {"agent": "baker"})])
    assert (group.what, group.agent, group.count) == ("agent failed", "baker", 2)


def test_a_trace_is_a_tree_of_what_is_remembered() -> None:
    """By who made each call, in the order in which they began; ids in a circle end, and a crowd is cut down."""
    shop = replace(call("shop", "AGENT_FAILED", seconds=1.0), ended_at=10.0)
    below = [replace(call(name, seconds=0.2), ended_at=at, parent="c-shop") for name, at in (("b", 9.9), ("a", 9.4))]
    lost = replace(call("x"), parent="c-forgotten")
    (found,) = examples([*below, lost, shop], [shop], failures([shop]))
    assert found.why == "failed"
    told = [(each.agent, each.parent, each.depth) for each in found.calls]
    assert told == [("x", "", 0), ("shop", "", 0), ("a", "c-shop", 1), ("b", "c-shop", 1)]
    circle = [replace(call("a"), parent="c-b"), replace(call("b"), parent="c-a")]
    (ended,) = examples(circle, circle, [])
    assert (ended.why, ended.calls, ended.left_out) == ("slow", [], 2)
    crowd = [replace(call("a"), call_id=f"c-{each}") for each in range(50)]
    (large,) = examples(crowd, crowd, [])
    assert (len(large.calls), large.left_out) == (MOST_CALLS, 50 - MOST_CALLS)


def test_logs_say_from_when_on_they_are_whole() -> None:
    """Since they are listened to, or since the last line that had to make room."""
    lines = Lines(most=2)
    begun = lines.complete_from()
    said = [logging.LogRecord("x", logging.ERROR, "", 0, "line", None, None) for _ in range(3)]
    for record in said[:2]:
        lines.emit(record)
    assert lines.complete_from() == begun
    lines.emit(said[2])
    assert lines.complete_from() == said[0].created


def test_logs_are_kept_in_bounded_memory() -> None:
    """The newest ones."""
    lines = Lines(most=3)
    for number in range(10):
        lines.emit(logging.LogRecord("x", logging.WARNING, "", 0, f"line {number}", None, None))
    assert [line.event for line in lines.since(0)] == ["x: line 7", "x: line 8", "x: line 9"]


def test_what_the_remedy_refuses_does_not_fail() -> None:
    """And what fails otherwise still does."""
    remedy = Remedy(action="disable_agent", agent="baker")
    refused = [call("baker", "AGENT_DISABLED") for _ in range(10)]
    assert judged([deviation("baker")], remedy, refused).verdict == "recovered"
    assert judged([deviation("baker")], remedy, [*refused, call("baker", "AGENT_FAILED")]).verdict == "still_failing"
    assert judged([deviation("baker")], remedy, []).verdict == "no_traffic"
    slow = deviation("baker", "latency", 1.0, 0.01)
    assert judged([slow], Remedy(), [call("baker", seconds=0.5)]).verdict == "still_failing"
    jittery = deviation("baker", "latency", 0.008, 0.001)
    assert judged([jittery], Remedy(), [call("baker", seconds=0.004)]).verdict == "recovered"
    assert Done(remedy=remedy, what="x").before.was_enabled
