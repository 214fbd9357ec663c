"""The agent itself: each capability is one tool on one folder, and fails when the tool does."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Annotated

from pydantic import Field

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.command import Finished
from a2a_node.ops.python import wheels
from a2a_node.ops.python.answers import Built, Linted, Problem, Tested, Tried
from a2a_node.ops.workplace import Workplace

BUILDS = "builds"
SHOWN = 50  # problems
TOLD = 1500  # characters of a tool's words in an error
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,9}$"
COUNTED = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")
TRIAL = """
import importlib, os, sys
folder, name = os.path.realpath(sys.argv[1]), sys.argv[2]
sys.path.insert(0, folder)
print("\\n" + os.path.relpath(os.path.realpath(importlib.import_module(name).__file__ or ""), folder))
"""

Project = Annotated[str, Field(max_length=1000, description="The folder of the project in the workspace.")]
Seconds = Annotated[float, Field(gt=0, le=3600, description="How long it may take.")]


def made(workplace: Workplace) -> Agent:
    """The agent, in its workplace."""
    agent = Agent(
        "python",
        version="1.0.0",
        description="Lints, tests and builds Python projects with ruff, pytest and build, and tries what was built.",
        category="operations",
        tags=("built-in", "ops", "python"),
    )

    def folder(field: str, path: str) -> Path:
        found = workplace.path(field, path)
        if not found.is_dir():
            raise InvalidInput(field, f"{path[:80]!r} is no folder; nodes with ops agents must share a workspace")
        return found

    @agent.capability(idempotent=True)
    async def lint(
        path: Project,
        *,
        must_pass: Annotated[bool, Field(description="Whether a problem fails the call.")] = True,
        seconds: Seconds = 120.0,
    ) -> Linted:
        """Look for problems in the code, by the project's own rules; LINT_FAILED names the first ones."""
        return _linted(await _ruff(workplace, folder("input.path", path), seconds), must_pass=must_pass)

    @agent.capability
    async def test(
        path: Project,
        tests: Annotated[
            list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][^\x00\n]{0,300}$")]],
            Field(max_length=50, description="Files and folders of tests; none means what the project says."),
        ] = [],  # noqa: B006 - pydantic copies it
        seconds: Seconds = 600.0,
    ) -> Tested:
        """Run the project's tests; TESTS_FAILED when one fails, and when there are none."""
        argv = ["python", "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "--rootdir=.", "--", *tests]
        surroundings = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "src:."}
        place = folder("input.path", path)
        return _tested(await workplace.run(argv, cwd=place, seconds=seconds, environment=surroundings))

    @agent.capability
    async def build(path: Project, seconds: Seconds = 300.0) -> Built:
        """Build a wheel with what is installed here, without the network; BUILD_FAILED with the builder's words."""
        project, place = folder("input.path", path), await workplace.fresh(BUILDS)
        argv = ["python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place / "dist"), "."]
        done = await workplace.run(argv, cwd=project, seconds=seconds)
        found = sorted((place / "dist").glob("*.whl"))
        if done.code or len(found) != 1:
            raise _failed("BUILD_FAILED", f"the build ended with code {done.code} and {len(found)} wheels", done)
        wheel = await asyncio.to_thread(_finish, found[0], place)
        return Built(
            wheel=workplace.told(found[0]),
            tree=workplace.told(place / "tree"),
            requirements=workplace.told(place / "requirements.txt"),
            name=wheel.name,
            version=wheel.version,
            sha256=wheel.sha256,
        )

    @agent.capability
    async def smoke(
        path: Annotated[str, Field(max_length=1000, description="A folder of packages, such as a site's `current`.")],
        module: Annotated[str, Field(pattern=MODULE, description="What to import from there.")],
        seconds: Seconds = 60.0,
    ) -> Tried:
        """Import a module of what was deployed, in a process of its own; SMOKE_FAILED when that fails."""
        place = folder("input.path", path)
        done = await workplace.run(["python", "-I", "-c", TRIAL, str(place), module], cwd=place, seconds=seconds)
        return Tried(module=module, file=_tried(module, done))

    return agent


def _finish(wheel: Path, place: Path) -> wheels.Wheel:
    found = wheels.read(wheel)
    wheels.unpack(wheel, place / "tree")
    (place / "requirements.txt").write_text(wheels.pins(found.requires), encoding="utf-8")
    return found


async def _ruff(workplace: Workplace, folder: Path, seconds: float) -> list[Problem]:
    place = await workplace.fresh(BUILDS)
    report = place / "lint.json"  # not what it prints, which is cut where it is too much
    argv = ["ruff", "check", "--no-cache", "--exit-zero", "--output-format", "json", "--output-file", str(report), "."]
    try:
        done = await workplace.run(argv, cwd=folder, seconds=seconds)
        if done.code:
            raise _failed("LINT_FAILED", "ruff could not read the project", done)
        return await asyncio.to_thread(_problems, report, folder)
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, place, ignore_errors=True))


def _linted(found: list[Problem], *, must_pass: bool) -> Linted:
    if found and must_pass:
        first = "; ".join(f"{each.file}:{each.line} {each.rule} {each.message}" for each in found[:5])
        raise AgentRefused(f"ruff found {len(found)} problems: {first[:TOLD]}", reason="LINT_FAILED")
    return Linted(passed=not found, count=len(found), problems=found[:SHOWN])


def _tested(done: Finished) -> Tested:
    if done.code:
        raise _failed("TESTS_FAILED", f"pytest ended with code {done.code}", done)
    summary = (done.output.strip().splitlines() or [""])[-1]
    counts = {what: int(number) for number, what in COUNTED.findall(summary)}
    return Tested(passed=counts.get("passed", 0), skipped=counts.get("skipped", 0), summary=summary[:300], cut=done.cut)


def _tried(module: str, done: Finished) -> str:
    where = (done.output.splitlines() or [".."])[-1]
    if done.code:
        raise _failed("SMOKE_FAILED", f"{module} cannot be imported", done)
    if where.startswith(".."):
        raise AgentRefused(f"{module} is not what was deployed: it came from elsewhere", reason="SMOKE_FAILED")
    return where


def _problems(report: Path, folder: Path) -> list[Problem]:
    found: list[dict[str, object]] = json.loads(report.read_text(encoding="utf-8"))
    return [_problem(each, folder) for each in found]


def _problem(said: dict[str, object], folder: Path) -> Problem:
    file, at = Path(str(said["filename"])), said.get("location")
    return Problem(
        file=file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name,
        line=int(at["row"]) if isinstance(at, dict) else 0,
        rule=str(said.get("code") or "syntax"),
        message=str(said.get("message"))[:300],
    )


def _failed(reason: str, what: str, done: Finished) -> AgentRefused:
    words = (done.output.strip() + "\n" + done.errors.strip()).strip()
    return AgentRefused(f"{what}: {words[-TOLD:]}", reason=reason, code_of_program=done.code)
