"""Linting, testing and building a real project."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops import python
from a2a_node.ops.python import wheels
from a2a_node.ops.workplace import Workplace
from tests.unit.ops.places import done, workplace
from tests.unit.ops.projects import project


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A workspace with a project."""
    found = workplace(tmp_path)
    project(found.root / "till")
    return found


@pytest.fixture
def agent(place: Workplace) -> Agent:
    """The agent at work there."""
    return python.made(place)


async def test_a_project_becomes_a_wheel_that_can_be_imported(place: Workplace, agent: Agent) -> None:
    """Linted and tested first; what it needs is pinned to what it was tested with."""
    assert await done(agent, "lint", path="till") == {"passed": True, "count": 0, "problems": []}
    tested = await done(agent, "test", path="till")
    assert (tested["passed"], tested["skipped"], tested["cut"]) == (1, 0, False)
    built = await done(agent, "build", path="till")
    assert (built["name"], built["version"]) == ("till", "1.2.3")
    assert str(built["wheel"]).endswith("/dist/till-1.2.3-py3-none-any.whl")
    pinned = (place.root / str(built["requirements"])).read_text(encoding="utf-8")
    assert pinned.startswith("packaging==")
    assert await done(agent, "smoke", path=built["tree"], module="till") == {
        "module": "till",
        "file": "till/__init__.py",
    }
    for module, why in (("json", "came from elsewhere"), ("nothing", "cannot be imported: .*ModuleNotFoundError")):
        with pytest.raises(AgentRefused, match=f"(?s){why}") as refused:
            await done(agent, "smoke", path=built["tree"], module=module)
        assert refused.value.reason == "SMOKE_FAILED"


async def test_what_is_wrong_fails_the_step(place: Workplace, agent: Agent) -> None:
    """With the first problems of the linter, the failed test, and the builder's words."""
    (place.root / "till/till/__init__.py").write_text("import os\ntotal = max\n", encoding="utf-8")
    with pytest.raises(AgentRefused, match=r"problems: .*till/__init__.py:1 F401") as linted:
        await done(agent, "lint", path="till")
    assert linted.value.reason == "LINT_FAILED"
    assert (await done(agent, "lint", path="till", must_pass=False))["count"] == 2
    with pytest.raises(AgentRefused, match=r"(?s)code 1: .*test_total") as tested:
        await done(agent, "test", path="till")
    assert tested.value.reason == "TESTS_FAILED"
    (place.root / "till/pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    with pytest.raises(AgentRefused, match="the build ended with code 1") as built:
        await done(agent, "build", path="till")
    assert built.value.reason == "BUILD_FAILED"


async def test_tests_that_go_on_are_ended(place: Workplace, agent: Agent) -> None:
    """With all that they started."""
    (place.root / "till/tests/test_till.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    with pytest.raises(AgentRefused, match="did not end within 1 s") as refused:
        await done(agent, "test", path="till", seconds=1.0)
    assert refused.value.reason == "COMMAND_TIMED_OUT"


async def test_bad_input_is_refused(agent: Agent) -> None:
    """Folders that are elsewhere, options in the place of tests, programs in the place of a module."""
    for capability, said, field in (
        ("lint", {"path": "../x"}, "path"),
        ("build", {"path": "nothing"}, "path"),
        ("test", {"path": "till", "tests": ["--pdb"]}, "tests"),
        ("smoke", {"path": "till", "module": "os; os.system('x')"}, "module"),
    ):
        with pytest.raises(InvalidInput, match=rf"input\.{field}"):
            await done(agent, capability, **said)


def test_a_wheel_is_unpacked_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where its names lead out, not where it would fill the disk, and not when it is none."""
    bad = tmp_path / "bad.whl"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("../out", "x")
    with pytest.raises(AgentRefused, match="leads out"):
        wheels.unpack(bad, tmp_path / "tree")
    with pytest.raises(AgentRefused, match="no wheel"):
        wheels.read(bad)
    monkeypatch.setattr(wheels, "MOST_UNPACKED", 0)
    with pytest.raises(AgentRefused, match="more than 0 bytes"):
        wheels.unpack(bad, tmp_path / "tree")
    bad.write_bytes(b"x")
    with pytest.raises(AgentRefused, match="no wheel"):
        wheels.read(bad)
