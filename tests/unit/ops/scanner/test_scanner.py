"""The agent `scanner` on a real small project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Scan
from a2a_node.ops.scanner import made
from a2a_node.ops.workplace import TEMPORARY
from tests.unit.ops.asking import answer
from tests.unit.ops.scanner.planted import project, workplace


@pytest.fixture
def scanner(tmp_path: Path) -> Agent:
    """The agent, in a workspace with the project in it."""
    project(tmp_path / "shop")
    return made(workplace(tmp_path))


async def refused(scanner: Agent, capability: str, **said: object) -> InvalidInput:
    """How a bad input is refused."""
    with pytest.raises(InvalidInput) as error:
        await answer(scanner, capability, said, Scan)
    return error.value


def test_it_introduces_itself(scanner: Agent) -> None:
    """Four capabilities, each with a schema of what it takes and answers."""
    names = [capability.name for capability in scanner.descriptor.capabilities]
    assert names == ["dependencies", "licences", "secrets", "code"]


async def test_a_pinned_vulnerability_is_found_once(scanner: Agent) -> None:
    """Its aliases are one thing; what is withdrawn, of another ecosystem or not pinned is none."""
    said = {"requirements": ["shop/requirements.txt"], "advisories": "shop/advisories.json"}
    scan = await answer(scanner, "dependencies", said, Scan)
    (found,) = scan.findings
    assert (found.severity, found.place.path, found.place.line) == ("critical", "shop/requirements.txt", 2)
    assert "2.20.0" in found.message
    assert not scan.passed
    assert [skipped.why for skipped in scan.skipped] == ["flask is not pinned to one version with '=='"]


async def test_a_look_passes_when_nothing_is_as_bad_as_was_named(scanner: Agent, tmp_path: Path) -> None:
    """What is found is told all the same."""
    (tmp_path / "low.json").write_text(
        json.dumps({"id": "X-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "requests"},
                    "versions": ["2.19.1"], "database_specific": {"severity": "LOW"}}]})
    )  # fmt: skip
    said = {"requirements": ["shop/requirements.txt"], "advisories": "low.json"}
    scan = await answer(scanner, "dependencies", said, Scan)
    assert (scan.passed, [found.severity for found in scan.findings]) == (True, ["low"])


async def test_secrets_are_found_and_never_shown(scanner: Agent, tmp_path: Path) -> None:
    """Each in its place; nothing of them is in the answer."""
    secrets = project(tmp_path / "again")
    scan = await answer(scanner, "secrets", {"path": "again"}, Scan)
    assert {found.place.path for found in scan.findings} == set(secrets)
    assert not [secret for secret in secrets.values() if secret[4:] in scan.model_dump_json()]


async def test_dangerous_code_is_found_though_its_author_would_not_look(scanner: Agent, tmp_path: Path) -> None:
    """The project's own settings for bandit switch B602 off, and are not read; nothing is left behind."""
    scan = await answer(scanner, "code", {"path": "shop"}, Scan)
    found = {each.rule: each for each in scan.findings}
    assert found["B602"].place.path == "app/run.py"
    assert (found["B602"].place.line, found["B602"].severity) == (5, "high")
    assert scan.looked_at == 3
    assert list((tmp_path / TEMPORARY).iterdir()) == []


async def test_a_password_in_code_is_not_shown(scanner: Agent, tmp_path: Path) -> None:
    """Bandit would."""
    (tmp_path / "p.py").write_text('password = "hunter2-and-more"\n')
    scan = await answer(scanner, "code", {"path": "p.py"}, Scan)
    assert [found.rule for found in scan.findings] == ["B105"]
    assert "hunter2" not in scan.model_dump_json()


async def test_code_that_cannot_be_read_is_told(scanner: Agent, tmp_path: Path) -> None:
    """It was not looked at."""
    (tmp_path / "broken.py").write_text("def broken(:\n")
    scan = await answer(scanner, "code", {"path": "broken.py"}, Scan)
    assert [skipped.path for skipped in scan.skipped] == ["broken.py"]


async def test_what_is_installed_is_looked_at(scanner: Agent) -> None:
    """The node's own environment has licences, and those that are denied are found."""
    scan = await answer(scanner, "licences", {"deny": ["Apache-2.0"], "fail_at": "high"}, Scan)
    assert not scan.passed
    assert any(found.place.path == "grpcio" for found in scan.findings)
    assert "redis" not in {found.place.path for found in scan.findings}


@pytest.mark.parametrize(
    ("capability", "said", "field"),
    [
        ("secrets", {"path": "../"}, "input.path"),
        ("secrets", {"path": "/etc"}, "input.path"),
        ("secrets", {"path": "nowhere"}, "input.path"),
        ("secrets", {"path": "link"}, "input.path"),
        ("code", {"path": "link/x.py"}, "input.path"),
        ("code", {"path": "nowhere"}, "input.path"),
        ("dependencies", {"advisories": "shop/advisories.json"}, "input.requirements"),
        ("dependencies", {"advisories": "nowhere", "environment": "node"}, "input.advisories"),
        ("dependencies", {"advisories": "shop", "environment": "../.."}, "input.environment"),
        ("dependencies", {"advisories": "shop/advisories.json", "requirements": ["out.txt"]}, "input.requirements"),
        ("licences", {"deny": [""]}, "input.deny"),
        ("licences", {"environment": "nowhere"}, "input.environment"),
    ],
)
async def test_bad_input_is_refused(
    scanner: Agent, tmp_path: Path, capability: str, said: dict[str, object], field: str
) -> None:
    """The field is named; paths that leave the workspace are refused, and so are links and includes that do."""
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "out.txt").write_text("-r ../../../../../../etc/hostname\n")
    assert (await refused(scanner, capability, **said)).variables["field"] == field
