"""Load, profiles and tuning on a real node: an agent gets faster by a setting, and keeps it only then."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.model.errors import AgentNotFound, InvalidInput, MeshError, PermissionDenied
from a2a_node.model.limits import LimitKey
from tests.ample import AMPLE
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]

SECONDS = 0.6
CALLS = 40  # that are waited for where the machine is slow
SLOW, FAST, LEAST = (
    102_400,
    3_200,
    100,
)  # rounds: thirty times the work, which no other load of the machine makes up for
OPS = ("load", "profiler", "tuner")
STEP = {
    "template": "release",
    "step": "build",
    "agent": "git",
    "capability": "clone",
    "runs": 2,
    "seconds": 3,
    "median_seconds": 1.5,
    "longest_seconds": 2,
    "attempts": 3,
    "failed": 1,
    "slowest_run": "r1",
}


def hasher() -> Agent:
    """An agent whose work is as long as its config says."""
    config = {
        "rounds": SLOW,
        "tunable": {"rounds": {"least": LEAST, "most": SLOW, "towards": "least", "where": "digest"}},
    }
    agent = Agent("hasher", version="1.0.0", config=config)

    @agent.capability(limit=AMPLE)
    def digest(context: Context) -> str:
        data = b""
        for _ in range(int(str(context.config["rounds"]))):
            data = hashlib.sha256(data).digest()
        return data.hex()

    return agent


@asynccontextmanager
async def running(meet: Meet, folder: Path) -> AsyncIterator[Meeting]:
    """A node with the three agents, and a hasher."""
    async with (
        meet(ops=OPS, ops_workspace=folder / "workspace") as one,
        attached(hasher(), one.node.grpc_address, key=one.dev_key),
    ):
        yield one


async def asked(one: Meeting, agent: str, capability: str, said: Mapping[str, object]) -> dict[str, Any]:
    """What an agent answers the developer."""
    answer = await one.dev.call(agent, capability, said)
    assert isinstance(answer, dict)
    return answer


async def loaded(one: Meeting, **said: object) -> dict[str, Any]:
    """What a short load of the hasher measures."""
    target = {"agent": "hasher", "capability": "digest"}
    plan = {"target": target, "pace": {"concurrency": 2, "least": CALLS}, "seconds": SECONDS, "warmup": 0.1, **said}
    return await asked(one, "load", "run", plan)


async def test_a_setting_that_helps_is_kept_and_one_that_does_not_is_taken_back(meet: Meet, tmp_path: Path) -> None:
    """From the baseline to the report; whatever speed the machine has."""
    async with running(meet, tmp_path) as one:
        before = await loaded(one)
        assert before["sample"]["failed"] == 0
        hot = [{"function": "hasher.digest (test.py:1)", "own": 0.5, "within": 0.9}]
        found = await asked(one, "tuner", "propose", {"agent": "hasher", "baseline": before, "hottest": hot})
        (change,) = found["changes"]
        assert "90% of the profile are within digest" in change["why"]
        assert (change["name"], change["before"], change["after"]) == ("rounds", SLOW, FAST)
        assert f"is {FAST}" in (await asked(one, "tuner", "apply", {"change": change}))["what"]
        after = await loaded(one)
        judged = {"change": change, "before": before, "after": after, "others": [before]}
        settled = await asked(one, "tuner", "settle", judged)
        assert settled["kept"] is True, settled["what"]
        assert settled["comparison"]["gain"] > 0.05
        slow = {"slow_calls": (await asked(one, "profiler", "slowest", {}))["calls"], "slow_steps": [STEP]}
        story = {"change": change, "before": before, "after": after, "settled": settled, **slow}
        written = await asked(one, "tuner", "report", {"name": "first", "story": story})
        text = (tmp_path / "workspace" / written["markdown"]).read_text()
        assert "**Kept**" in text
        assert all(f"| {call['agent']}.{call['capability']} |" in text for call in slow["slow_calls"][:3])
        assert "| release.build | git.clone | 2 | 3.000 |" in text
        doubted = {**judged, "others": [after]}  # the machine itself was as fast before
        assert (await asked(one, "tuner", "settle", doubted))["kept"] is False
        worse = {**change, "before": FAST, "after": SLOW}
        await asked(one, "tuner", "apply", {"change": worse})
        slower = await loaded(one)
        again = await asked(one, "tuner", "settle", {"change": worse, "before": after, "after": slower})
        assert again["kept"] is False
        assert (await one.dev.agents.get("hasher")).agent.descriptor.config["rounds"] == FAST


async def test_a_limit_that_is_in_the_way_is_made_wider(meet: Meet, tmp_path: Path) -> None:
    """And forgotten again when it is taken back, for nobody had set it."""
    key = LimitKey(agent="hasher", capability="digest")
    async with running(meet, tmp_path) as one:
        await one.dev.limits.set(5, 5, key)
        before = await loaded(one)
        assert before["errors"]["RATE_LIMITED"] > 0
        found = await asked(one, "tuner", "propose", {"agent": "hasher", "baseline": before})
        change = found["changes"][0]
        assert (change["setting"], change["before"], change["after"], change["was_set"]) == ("limit", 5, 20, True)
        await asked(one, "tuner", "apply", {"change": change})
        assert (await one.dev.limits.get(key)).limit.rate.rate == 20
        await asked(one, "tuner", "revert", {"change": change})
        assert (await one.dev.limits.get(key)).limit.rate.rate == 5


@pytest.mark.parametrize("how", ["outside", "inside"])
async def test_a_profile_under_load_is_kept_as_a_flame_graph(meet: Meet, tmp_path: Path, how: str) -> None:
    """A real one of the node's process, by py-spy or from inside, in which the work is seen."""
    async with running(meet, tmp_path) as one:
        busy = asyncio.create_task(loaded(one, seconds=1.2))
        profile = await asked(one, "profiler", "profile", {"seconds": 1, "how": how})
        await busy
        assert profile["samples"] > 0
        assert profile["how"] == {"outside": "py-spy", "inside": "inside"}[how]
        folder = tmp_path / "workspace"
        drawing = ET.fromstring((folder / profile["flame_graph"]).read_text())  # noqa: S314 - just drawn
        titles = "\n".join(title.text or "" for title in drawing.iter("{http://www.w3.org/2000/svg}title"))
        assert "digest" in titles
        assert "digest" in (folder / profile["raw"]).read_text()
        slow = await asked(one, "profiler", "slowest", {"agent": "hasher"})
        assert ("load", "hasher") in [(way["caller"], way["agent"]) for way in slow["ways"]]
        assert slow["calls"][0]["seconds"] >= slow["calls"][-1]["seconds"]


CHANGE = {"setting": "config", "agent": "hasher", "name": "rounds", "before": SLOW, "after": 2000}
LIMIT = {"setting": "limit", "agent": "hasher", "capability": "digest", "before": 10, "after": 40}
HIDDEN: tuple[tuple[str, str, Mapping[str, object], str], ...] = (
    ("profiler", "processes", {}, "node:inspect"),
    ("profiler", "profile", {"seconds": 1}, "node:inspect"),
    ("profiler", "slowest", {}, "audit:read"),
    ("profiler", "slowest_steps", {}, "workflow:read"),
    ("tuner", "apply", {"change": CHANGE}, "registry:write"),
    ("tuner", "revert", {"change": CHANGE}, "registry:write"),
    ("tuner", "apply", {"change": LIMIT}, "limit:write"),
)
BAD: tuple[tuple[str, str, Mapping[str, object], str], ...] = (
    ("load", "run", {"target": {"agent": "../x"}}, "input.target.agent"),
    ("load", "run", {"target": {"agent": "hasher"}, "seconds": 100}, "input.seconds"),
    ("load", "run", {"target": {"agent": "hasher"}, "pace": {"rate": 1e9}}, "input.pace.rate"),
    ("profiler", "profile", {"seconds": 1, "pid": 1}, "PROCESS_NOT_OWN"),
    ("profiler", "profile", {"seconds": 0}, "input.seconds"),
    ("tuner", "apply", {"change": {**CHANGE, "name": "tunable"}}, "input.change.name"),
    ("tuner", "apply", {"change": {**CHANGE, "after": 1}}, "input.change.after"),
)


async def test_nobody_does_by_these_agents_what_they_may_not_do(meet: Meet, tmp_path: Path) -> None:
    """Nor is bad input taken; it is named by its field."""
    async with running(meet, tmp_path) as one:
        for agent in OPS:
            await one.dev.grants.give("person:ann", f"agent:{agent}:invoke")
        for agent, capability, said, permission in HIDDEN:
            with pytest.raises(PermissionDenied, match=permission):
                await one.ann.call(agent, capability, said)
        with pytest.raises(PermissionDenied, match="agent:hasher:invoke"):
            await one.ann.call("load", "run", {"target": {"agent": "hasher"}, "seconds": 0.1})
        with pytest.raises(AgentNotFound):
            await one.dev.call("load", "run", {"target": {"agent": "nobody"}, "seconds": 0.1})
        for agent, capability, said, told in BAD:
            with pytest.raises(MeshError) as refusal:
                await one.dev.call(agent, capability, said)
            error = refusal.value
            assert told == (error.variables["field"] if isinstance(error, InvalidInput) else error.reason)
        assert (await one.dev.agents.get("hasher")).agent.descriptor.config["rounds"] == SLOW
