"""The template `security-audit` from end to end: real agents on a small project with faults planted in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from a2a_node.model.call import Terms
from a2a_node.model.errors import PermissionDenied
from a2a_node.model.grants import NewGrant
from a2a_node.model.ops_ports import Deed
from a2a_node.model.principal import Principal
from a2a_node.model.runs import RunStatus
from a2a_node.ops import mesh_review, reporter, scanner
from a2a_node.testing.grants import MemoryGrants
from a2a_node.testing.keys import MemoryKeys
from tests.unit.ops.places import workplace
from tests.unit.ops.scanner.planted import project
from tests.unit.ops.walked import run
from tests.unit.workflows.walks import Paper

T = TypeVar("T")
ADA = Principal("person", "ada")


class Lets:
    """A deputy that lets everybody read, or nobody."""

    def __init__(self, *, all_of_them: bool) -> None:
        self._all = all_of_them

    async def act(self, deed: Deed, terms: Terms, work: Callable[[Principal], Awaitable[T]]) -> T:
        """Do the work, or refuse it."""
        del terms
        if not self._all:
            raise PermissionDenied(str(ADA), deed.method)
        return await work(ADA)


async def audited(folder: Path, grants: MemoryGrants, *, may_read: bool = True) -> Paper:
    """The record of an audit of the project."""
    place, keys = workplace(folder), MemoryKeys()
    agents = {
        "scanner": scanner.made(place),
        "reporter": reporter.made(place),
        "mesh_review": mesh_review.made(place, Lets(all_of_them=may_read), grants, keys),
    }
    inputs = {"path": "shop", "requirements": ["shop/requirements.txt"], "advisories": "shop/advisories.json"}
    return await run("security-audit", agents, inputs)


async def test_everything_that_was_planted_is_reported(tmp_path: Path) -> None:
    """In one report, and what is bad has a ticket; no secret is anywhere in it."""
    secrets = project(tmp_path / "workspace" / "shop")
    grants = MemoryGrants()
    await grants.give(NewGrant("person:dev", "person:ada", "access:*"))
    kept = await audited(tmp_path, grants)
    assert kept.run.status is RunStatus.COMPLETED, kept.run.error
    assert kept.run.output is not None
    assert (kept.run.output["passed"], kept.run.output["tickets"]) == (False, 6)
    report = json.loads((tmp_path / "workspace" / str(kept.run.output["report"])).read_text())
    rules = {name: {found["rule"] for found in scan["findings"]} for name, scan in report["scans"].items()}
    assert rules["dependencies"] == {"PYSEC-2018-28"}
    assert {"B602"} < rules["code"]
    assert rules["secrets"] == {"secret-github-token", "secret-assigned-secret"}
    assert rules["mesh"] == {"grant-wide", "grant-power"}
    written = [path.read_text() for path in (tmp_path / "workspace" / "audit").rglob("*") if path.is_file()]
    assert not [secret for secret in secrets.values() for text in written if secret[4:] in text]
    again = await audited(tmp_path, grants)
    assert again.run.output is not None
    assert again.run.output["tickets"] == 0


async def test_an_audit_goes_on_without_a_look_that_is_refused(tmp_path: Path) -> None:
    """The report says that it is missing; nobody may take it for passed."""
    project(tmp_path / "workspace" / "shop")
    kept = await audited(tmp_path, MemoryGrants(), may_read=False)
    assert kept.run.status is RunStatus.COMPLETED, kept.run.error
    assert kept.statuses()["mesh"] == "failed"
    report = json.loads((tmp_path / "workspace/audit/report.json").read_text())
    assert (report["passed"], report["missing"]) == (False, ["mesh"])
    assert "Not complete" in (tmp_path / "workspace/audit/report.html").read_text()
