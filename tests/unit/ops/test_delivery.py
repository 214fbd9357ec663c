"""The template cicd-pipeline with its real agents, where something is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.model.runs import Decision, RunStatus
from a2a_node.ops import git, notifier, python, releases, scanner
from a2a_node.ops.workplace import Workplace
from tests.unit.ops.decided import decided
from tests.unit.ops.places import done, workplace
from tests.unit.ops.projects import FILES, repository
from tests.unit.workflows.walks import Paper

BROKEN = FILES["till/__init__.py"] + "\n\nif __import__('sys').flags.isolated:\n    raise SystemExit('broken')\n"
CARELESS = (
    FILES["till/__init__.py"]
    .replace('"""Sums."""', '"""Sums."""\n\nimport subprocess')
    .replace("    return", "    subprocess.call(f'echo {prices}', shell=True)\n    return")
)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A workspace with advisories, none of which is about what the project needs."""
    found = workplace(tmp_path)
    (found.root / "advisories").mkdir()
    return found


def agents(place: Workplace, source: Path) -> Mapping[str, Agent]:
    """All that the template calls; `any` is whoever offers a capability."""
    return {
        "git": git.made(place, (str(source),)),
        "python": python.made(place),
        "any": scanner.made(place),
        "releases": releases.made(place),
        "notifier": notifier.made(place, {}),
    }


async def shipped(place: Workplace, source: Path) -> Paper:
    """The record of a run that somebody approves of."""
    return await decided("cicd-pipeline", agents(place, source), wanted(source), Decision.APPROVE)


def wanted(source: Path) -> Mapping[str, object]:
    """What the template is given."""
    return {"repository": str(source), "project": "till", "module": "till", "advisories": "advisories"}


async def content(*_: object) -> object:
    """What any agent says that has made a release without looking at it."""
    made = {"path": "till", "tree": "till", "requirements": "till/requirements.txt", "version": "1.2.3"}
    return {**made, "passed": True, "counts": {}, "commit": "c1", "subject": "first"}


def served(place: Workplace, site: str) -> str:
    """The code that a site serves; empty where it serves nothing."""
    file = place.root / "sites" / site / "current/till/__init__.py"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def told(place: Workplace) -> list[str]:
    """What people were told."""
    return sorted(json.loads(file.read_bytes())["title"] for file in (place.root / "notifications").rglob("*.json"))


async def serve(place: Workplace, site: str) -> None:
    """Have a site serve what worked before."""
    await place.write("f", "good/till/__init__.py", b"GOOD = 1\n")
    good = await done(releases.made(place), "stage", site=site, source="good")
    await done(releases.made(place), "switch", site=site, release=good["release"])


async def test_what_does_not_work_on_staging_comes_back(place: Workplace, tmp_path: Path) -> None:
    """What was served before is served again, and people are told; how one goes to production, `tests/e2e` shows."""
    source = repository(tmp_path / "broken", **{"till/__init__.py": BROKEN})
    await serve(place, "till-staging")
    kept = await shipped(place, source)
    assert (kept.run.status, kept.statuses()["smoke"]) == (RunStatus.FAILED, "failed"), kept.run.error
    assert (kept.statuses()["staging_back"], kept.statuses()["approve"]) == ("completed", "cancelled")
    assert served(place, "till-staging") == "GOOD = 1\n"
    assert told(place) == ["till 1.2.3 was taken back"]


async def test_what_somebody_rejects_leaves_staging_as_it_was(place: Workplace, tmp_path: Path) -> None:
    """After it has worked there; production has never had it. What makes and tries a release is not called here."""
    await serve(place, "till-staging")
    await place.write("f", "till/till/__init__.py", b"NEW = 1\n")
    real = {name: agent for name, agent in agents(place, tmp_path).items() if name in ("releases", "notifier")}
    others = dict.fromkeys(("git", "python", "any"), content)
    kept = await decided("cicd-pipeline", real, wanted(tmp_path), Decision.REJECT, others)
    stands = kept.statuses()
    assert (kept.run.status, stands["smoke"], stands["approve"]) == (RunStatus.FAILED, "completed", "failed")
    assert (stands["staging_back"], stands["to_production"]) == ("completed", "cancelled")
    assert (served(place, "till-staging"), served(place, "till-production")) == ("GOOD = 1\n", "")
    assert told(place) == ["till 1.2.3 was taken back"]


async def test_what_is_dangerous_is_not_deployed(place: Workplace, tmp_path: Path) -> None:
    """Findings of the scans hold it back; nothing is served."""
    kept = await shipped(place, repository(tmp_path / "careless", **{"till/__init__.py": CARELESS}))
    assert kept.run.status is RunStatus.COMPLETED, kept.run.error
    assert kept.run.output is not None
    assert kept.run.output["deployed"] is False
    assert served(place, "till-staging") == ""
    assert told(place) == ["till 1.2.3 is held back by its scans"]
