"""What the end-to-end tests need besides Python: real clients of other languages, built or installed once."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
GRPCURL = ("github.com/fullstorydev/grpcurl/cmd/grpcurl", "v1.9.4")
HEALTH_PROBE = ("github.com/grpc-ecosystem/grpc-health-probe", "v0.4.61")

# From 1.21 on, Go fetches by itself the newer release that a module asks for.
OLDEST = {"go": ("version", (1, 21)), "node": ("--version", (20, 0))}


def needs(*programs: str) -> None:
    """Skip the test on a machine without these programs, or with too old ones; in CI it fails instead."""
    missing = ", ".join(program for program in programs if not _is_new_enough(program))
    if not missing:
        return
    message = f"not installed here, or too old: {missing}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}; in CI this test must run")
    pytest.skip(message)


def _is_new_enough(program: str) -> bool:
    if shutil.which(program) is None:
        return False
    if program not in OLDEST:
        return True
    question, oldest = OLDEST[program]
    found = re.search(r"(\d+)\.(\d+)", run(program, question))
    return found is not None and (int(found[1]), int(found[2])) >= oldest


@contextmanager
def alone() -> Iterator[None]:
    """One process of the tests builds at a time; the others find what it has built."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def go_tool(module: str, version: str) -> Path:
    """A Go program at a version of its own, installed where it is not yet."""
    needs("go")
    name = module.rpartition("/")[2]
    tool = BUILD / "tools" / "bin" / f"{name}-{version}"
    with alone():
        if not tool.exists():
            run("go", "install", f"{module}@{version}", environ={"GOBIN": str(tool.parent)})
            tool.with_name(name).rename(tool)
    return tool


def go_examples() -> Path:
    """The folder of the Go examples, built: `relay` and `call`."""
    needs("go")
    folder = BUILD / "examples" / "go"
    with alone():
        run("go", "build", "-o", f"{folder}/", "./...", folder=ROOT / "examples" / "go")
    return folder


def typescript_examples() -> Path:
    """The folder of the TypeScript examples, built where anything is newer: `relay.js` and `call.js`."""
    needs("node", "npm")
    folders = (ROOT / "clients" / "typescript", ROOT / "examples" / "typescript")
    built = folders[1] / "dist"
    with alone():
        if _is_older(built / "call.js", folders):
            for folder in folders:
                run("npm", "ci", "--silent", "--ignore-scripts", folder=folder)
                run("npm", "run", "--silent", "build", folder=folder)
    return built


def _is_older(built: Path, folders: Sequence[Path]) -> bool:
    if not built.exists() or not all((folder / "node_modules").exists() for folder in folders):
        return True
    sources = (source for folder in folders for source in (*folder.glob("*.json"), *(folder / "src").rglob("*.ts")))
    return built.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def run(*command: str, folder: Path = ROOT, environ: dict[str, str] | None = None, timeout: float = 600.0) -> str:
    """What a command printed; AssertionError with all that it said when it failed."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | (environ or {}),
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
    return ran.stdout
