"""The monitor on a real node: a real fault is noticed, explained, remedied, verified and written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.attach import attached
from a2a_node.cli.logs import configure_logs
from a2a_node.model.audit import AuditFilter
from a2a_node.model.errors import AgentDisabled, AgentOwned, InvalidInput, MeshError, PermissionDenied
from tests.ample import AMPLE
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]


class Baker:
    """An agent that can be told to fail."""

    def __init__(self) -> None:
        self.broken = False
        self.agent = Agent("baker", version="1.0.0")
        self.agent.capability(name="bake", limit=AMPLE)(self._bake)

    async def _bake(self) -> dict[str, str]:
        if self.broken:
            raise AgentRefused("the oven is cold", code="INTERNAL", reason="OVEN_COLD")
        return {"bread": "warm"}


@asynccontextmanager
async def watched(meet: Meet, folder: Path) -> AsyncIterator[tuple[Meeting, Baker]]:
    """A node with a monitor, and a baker that has worked well for sixty calls."""
    baker = Baker()
    async with (
        meet(ops=("monitor",), ops_workspace=folder / "workspace") as one,
        attached(baker.agent, one.node.grpc_address, key=one.dev_key),
    ):
        await called(one, 60)
        yield one, baker


async def called(one: Meeting, times: int) -> None:
    """Call the baker, however that ends."""
    for _ in range(times):
        with suppress(MeshError):
            await one.dev.call("baker", "bake", {})


async def asked(one: Meeting, capability: str, said: Mapping[str, object]) -> dict[str, Any]:
    """What the monitor answers the developer."""
    answer = await one.dev.call("monitor", capability, said)
    assert isinstance(answer, dict)
    return answer


async def verified(one: Meeting, watching: Mapping[str, object]) -> dict[str, Any]:
    """What the monitor says of the calls that come meanwhile."""
    traffic = asyncio.create_task(called(one, 1_000_000))
    try:
        return await asked(one, "verify", watching)
    finally:
        traffic.cancel()
        await asyncio.wait([traffic])


async def found(one: Meeting, baker: Baker) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The baker breaks; what is detected, gathered and explained."""
    since = (await asked(one, "mark", {}))["at"]
    baker.broken = True
    await called(one, 30)
    detection = await asked(one, "detect", {"since": since})
    evidence = await asked(one, "gather", {"since": detection["since"], "until": detection["until"]})
    explained = await asked(one, "explain", {"deviations": detection["deviations"], "evidence": evidence})
    return detection, evidence, explained


async def test_an_agent_that_begins_to_fail_is_found_and_disabled_and_it_is_written_down(
    meet: Meet, tmp_path: Path
) -> None:
    """From the first failure to the timeline."""
    async with watched(meet, tmp_path) as (one, baker):
        detection, evidence, explained = await found(one, baker)
        assert detection["severity"] == "critical"
        assert ("error_rate", "baker") in [(each["kind"], each["agent"]) for each in detection["deviations"]]
        assert ("OVEN_COLD", "baker", 30) in [
            (each["what"], each["agent"], each["count"]) for each in evidence["groups"]
        ]
        assert explained["causes"][0]["kind"] == "agent_failing"
        assert explained["needs_approval"] is True
        name = detection["id"]
        said = {"incident": name, "detection": detection, "evidence": evidence, "explanation": explained}
        opened = await asked(one, "open_incident", said)
        assert opened == await asked(one, "open_incident", said)
        done = await asked(one, "remediate", {"incident": name, "remedy": explained["remedy"]})
        with pytest.raises(AgentDisabled):
            await one.dev.call("baker", "bake", {})
        watching = {"deviations": detection["deviations"], "remedy": explained["remedy"], "seconds": 0.5}
        verification = await verified(one, watching)
        assert verification["verdict"] == "recovered"
        assert sum(each["refused"] for each in verification["judgements"]) > 0
        written = await asked(one, "write_timeline", {"incident": name, "verification": verification})
        assert written["status"] == "resolved"
        folder = tmp_path / "workspace" / "incidents" / name
        timeline = (folder / "timeline.md").read_text()
        assert "agent baker is disabled" in timeline.replace("\\", "")
        assert json.loads((folder / "timeline.json").read_text())["incident"]["status"] == "resolved"
        await asked(one, "take_back", {"incident": name, "done": done})
        baker.broken = False
        assert await one.dev.call("baker", "bake", {}) == {"bread": "warm"}
        events = [event async for event in one.dev.audit.list(AuditFilter(action="registry:update-agent"))]
        assert {(event.fact.target, event.fact.user_id, event.fact.agent_id) for event in events} == {
            ("agent:baker", "person:dev", "monitor")
        }


async def opened(one: Meeting, baker: Baker) -> str:
    """The id of an incident of the baker's."""
    detection, evidence, explained = await found(one, baker)
    said = {"incident": detection["id"], "detection": detection, "evidence": evidence, "explanation": explained}
    await asked(one, "open_incident", said)
    return str(detection["id"])


async def test_what_goes_on_as_before_is_no_incident(meet: Meet, tmp_path: Path) -> None:
    """Nor is a failure now and then."""
    async with watched(meet, tmp_path) as (one, baker):
        since = (await asked(one, "mark", {}))["at"]
        await called(one, 40)
        baker.broken = True
        await called(one, 1)
        detection = await asked(one, "detect", {"since": since})
        assert "error_rate" not in [each["kind"] for each in detection["deviations"]]  # it may be slow just then


async def test_while_it_still_fails_the_incident_stays_open(meet: Meet, tmp_path: Path) -> None:
    """A limit that is lowered does not heal an agent, and nobody says that it did."""
    async with watched(meet, tmp_path) as (one, baker):
        detection, evidence, explained = await found(one, baker)
        name, remedy = detection["id"], {"action": "lower_limit", "agent": "baker", "rate": 50, "burst": 20}
        said = {"incident": name, "detection": detection, "evidence": evidence, "explanation": explained}
        await asked(one, "open_incident", said)
        await asked(one, "remediate", {"incident": name, "remedy": remedy})
        watching = {"deviations": detection["deviations"], "remedy": remedy, "seconds": 0.5}
        verification = await verified(one, watching)
        assert (verification["verdict"], verification["passed"]) == ("still_failing", False)
        written = await asked(one, "write_timeline", {"incident": name, "verification": verification})
        assert written["status"] == "open"


REMEDIES = (
    ({"action": "disable_agent", "agent": "baker"}, "registry:write"),
    ({"action": "lower_limit", "agent": "baker"}, "limit:write"),
    ({"action": "drain_node", "node": "one"}, "node:drain"),
    (
        {"action": "drain_instance", "agent": "baker", "instance": "00000000-0000-4000-8000-000000000000"},
        "registry:write",
    ),
    ({"action": "restart_server", "server": "odd"}, "tool:control"),
)


async def test_the_monitor_lends_nobody_a_right(meet: Meet, tmp_path: Path) -> None:
    """Whoever may call it may not do through it what they may not do themselves, and neither may agents in between."""
    async with watched(meet, tmp_path) as (one, baker):
        name = await opened(one, baker)
        itself = {"action": "disable_agent", "agent": "monitor"}
        with pytest.raises(InvalidInput, match="this very call"):
            await one.dev.call("monitor", "remediate", {"incident": name, "remedy": itself})
        for permission in ("agent:*:invoke", "audit:read"):
            await one.dev.grants.give("person:ann", permission)
            await one.dev.grants.give("person:bob", permission)
        await one.dev.grants.give("person:bob", "registry:write")
        with pytest.raises(AgentOwned):  # the node itself may change every agent; that counts for nobody
            await one.bob.call("monitor", "remediate", {"incident": name, "remedy": REMEDIES[0][0]})
        for remedy, permission in REMEDIES:
            wanted = {"incident": name, "remedy": remedy}
            with pytest.raises(PermissionDenied, match=permission):
                await one.ann.call("monitor", "remediate", wanted)
            await one.dev.grants.give("agent:monitor", f"{permission.partition(':')[0]}:other")
            with pytest.raises(PermissionDenied, match="agent:monitor"):  # bound by what it was given itself
                await one.dev.call("monitor", "remediate", wanted)
        baker.broken = False
        assert await one.dev.call("baker", "bake", {}) == {"bread": "warm"}
        assert [limit async for limit in one.dev.limits.list()] == []


def seller() -> Agent:
    """An agent that calls another one, which raises an error that it does not name."""
    agent = Agent("seller", version="1.0.0")

    @agent.capability(limit=AMPLE)
    async def sell(context: Context) -> object:
        return await context.call("echo", "fail", {"crash": True})

    return agent


@pytest.mark.usefixtures("quiet_afterwards")
async def test_errors_in_the_log_are_noticed_and_the_traces_of_the_window_are_gathered(
    meet: Meet, tmp_path: Path
) -> None:
    """What the node itself has logged, against what it did before; who called whom, as a tree."""
    configure_logs(as_json=True)
    async with (
        meet(ops=("monitor",), ops_workspace=tmp_path / "workspace") as one,
        attached(seller(), one.node.grpc_address, key=one.dev_key),
    ):
        since = (await asked(one, "mark", {}))["at"]
        for _ in range(30):
            with pytest.raises(MeshError, match="the log beside it has the rest"):
                await one.dev.call("seller", "sell", {})
        detection = await asked(one, "detect", {"since": since})
        (logged,) = [each for each in detection["deviations"] if each["kind"] == "log_errors"]
        assert (logged["agent"], logged["baseline"]) == ("echo", 0)
        assert "most often: agent failed (RuntimeError) (30)" in logged["why"]
        evidence = await asked(one, "gather", {"since": since, "until": detection["until"]})
        explained = await asked(one, "explain", {"deviations": detection["deviations"], "evidence": evidence})
        assert ("errors_logged", "echo") in [(each["kind"], each["agent"]) for each in explained["causes"]]
        upper, lower = next(each for each in evidence["traces"] if each["why"] == "failed")["calls"]
        assert (upper["agent"], upper["parent"], upper["depth"]) == ("seller", "", 0)
        assert (lower["agent"], lower["parent"], lower["depth"]) == ("echo", upper["call_id"], 1)
        assert lower["reason"] == "AGENT_FAILED"
        assert 0 < lower["seconds"] <= upper["seconds"]
        since = (await asked(one, "mark", {}))["at"]
        quiet = await asked(one, "detect", {"since": since})
        assert "log_errors" not in [each["kind"] for each in quiet["deviations"]]


async def test_evidence_is_for_those_who_may_read_the_audit(meet: Meet, tmp_path: Path) -> None:
    """Calls of others are nobody's business."""
    async with watched(meet, tmp_path) as (one, _):
        await one.dev.grants.give("person:ann", "agent:monitor:invoke")
        with pytest.raises(PermissionDenied, match="audit:read"):
            await one.ann.call("monitor", "gather", {"since": 0})
        await one.dev.grants.give("person:ann", "audit:read")
        assert isinstance(await one.ann.call("monitor", "gather", {"since": 0}), dict)


BAD = (
    ("remediate", {"incident": "../../etc", "remedy": {"action": "none"}}, "input.incident"),
    ("remediate", {"incident": "inc-nobody", "remedy": {"action": "none"}}, "input.incident"),
    ("remediate", {"incident": "inc-nobody", "remedy": {"action": "reboot"}}, "input.remedy.action"),
    ("detect", {"window": -1}, "input.window"),
    ("verify", {"deviations": [], "remedy": {}, "seconds": 1e9}, "input.seconds"),
)


async def test_bad_input_is_named(meet: Meet, tmp_path: Path) -> None:
    """By its field."""
    async with meet(ops=("monitor",), ops_workspace=tmp_path / "workspace") as one:
        for capability, said, field in BAD:
            with pytest.raises(InvalidInput) as refusal:
                await one.dev.call("monitor", capability, said)
            assert refusal.value.variables["field"] == field
