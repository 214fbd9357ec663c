"""The agent `scanner`: vulnerabilities, faults in code, secrets and licences of what lies in its workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from a2a_node.agent import Agent, Context
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Scan, Severity, scan_of
from a2a_node.ops.scanner import code as bandit
from a2a_node.ops.scanner.advisories import read_advisories
from a2a_node.ops.scanner.dependencies import vulnerabilities
from a2a_node.ops.scanner.licences import Policy, breaches
from a2a_node.ops.scanner.requirements import Pins, pin_installed
from a2a_node.ops.scanner.secrets import Search
from a2a_node.ops.workplace import Workplace

OWN = "node"
Where = Annotated[str, Field(description="A folder or a file of the workspace.")]
FailAt = Annotated[Severity, Field(description="The look has not passed when something is as bad as this.")]
Requirements = Annotated[
    tuple[str, ...], Field(max_length=50, description="Requirements files of the workspace, with what they include.")
]
Environment = Annotated[
    str,
    Field(description=f"A folder of installed packages in the workspace, or {OWN!r} for what this node runs with."),
]
Advisories = Annotated[str, Field(description="A file of advisories in OSV form, or a folder of such `.json` files.")]
Rules = Annotated[tuple[str, ...], Field(description="SPDX ids; `*` stands for anything, as in `GPL-*`.")]
Seconds = Annotated[float, Field(gt=0, le=3600, description="How long it may take.")]


def made(workplace: Workplace) -> Agent:
    """The agent, at work in that workplace."""
    agent = Agent(
        "scanner",
        version="1.0.0",
        description="Looks for known vulnerabilities, faults in code, secrets and licences.",
        category="security",
        tags=("built-in", "ops", "security"),
    )

    @agent.capability(idempotent=True)
    def dependencies(
        advisories: Advisories,
        requirements: Requirements = (),
        environment: Environment = "",
        fail_at: FailAt = "high",
    ) -> Scan:
        """Find known vulnerabilities of what requirements files pin, or of what is installed."""
        pins = _pins(workplace, requirements, environment)
        known = read_advisories(workplace.path("input.advisories", advisories))
        found = vulnerabilities(pins.found, known)
        return scan_of(found, pins.skipped, fail_at=fail_at, looked_at=len(pins.found))

    @agent.capability(idempotent=True)
    def licences(
        requirements: Requirements = (),
        environment: Environment = OWN,
        allow: Rules = (),
        deny: Rules = (),
        fail_at: FailAt = "high",
    ) -> Scan:
        """Hold the licences of what is installed, or of those that requirements files pin, against a policy."""
        policy, folder = Policy(allow, deny), _packages(workplace, environment)
        pins = _pins(workplace, requirements, "" if requirements else environment)
        found = list(breaches(pins, folder, policy))
        return scan_of(found, pins.skipped, fail_at=fail_at, looked_at=len(pins.found))

    @agent.capability(idempotent=True)
    def secrets(path: Where, context: Context, fail_at: FailAt = "high") -> Scan:
        """Find secrets that lie in files; what is found is told, and never shown."""
        search = Search()
        found = list(search.through("input.path", workplace.path("input.path", path), context.cancelled.is_set))
        return scan_of(found, search.skipped, fail_at=fail_at, looked_at=search.looked_at)

    @agent.capability(idempotent=True)
    async def code(path: Where, fail_at: FailAt = "high", seconds: Seconds = 300.0) -> Scan:
        """Find what is dangerous in Python code, without running it."""
        target = workplace.path("input.path", path)
        if not target.exists():
            raise InvalidInput("input.path", f"{path[:80]!r} is not there")
        said = await bandit.analysed(workplace, target, seconds)
        found = list(bandit.faults(said))
        return scan_of(found, bandit.unread(said), fail_at=fail_at, looked_at=bandit.looked_at(said))

    return agent


def _pins(workplace: Workplace, requirements: tuple[str, ...], environment: str) -> Pins:
    if not requirements and not environment:
        raise InvalidInput("input.requirements", "names no file, and `environment` no packages; give one of them")
    pins = Pins(workplace.root)
    for number, path in enumerate(requirements):
        pins.read(workplace.path(f"input.requirements[{number}]", path))
    if environment:
        pin_installed(pins, _packages(workplace, environment))
    return pins


def _packages(workplace: Workplace, environment: str) -> Path | None:
    """The folder of an environment; None for the node's own."""
    if environment in ("", OWN):
        return None
    folder = workplace.path("input.environment", environment)
    if not folder.is_dir():
        raise InvalidInput("input.environment", f"{environment[:80]!r} is no folder")
    return folder
