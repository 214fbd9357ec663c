"""What the end-to-end tests need besides Python: real clients of other languages, built or installed once."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
GRPCURL = ("github.com/fullstorydev/grpcurl/cmd/grpcurl", "v1.9.4")
SARIF = "@microsoft/jest-sarif@1.0.0-beta.0"
HEALTH_PROBE = ("github.com/grpc-ecosystem/grpc-health-probe", "v0.4.61")
SCHEMATHESIS = ROOT / "tests" / "e2e" / "schemathesis" / "requirements.txt"
OPENAPI_GENERATOR = "7.17.0"
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # for programs that run for seconds, not for hours
GENERATED = "supportsES6=true,importFileExtension=.js"

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
def alone(name: str) -> Iterator[None]:
    """One process of the tests builds what is called so; the others find what it has built, or build something else."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def go_tool(module: str, version: str) -> Path:
    """A Go program at a version of its own, installed where it is not yet."""
    needs("go")
    name = module.rpartition("/")[2]
    tool = BUILD / "tools" / "bin" / f"{name}-{version}"
    with alone(name):
        if not tool.exists():
            run("go", "install", f"{module}@{version}", environ={"GOBIN": str(tool.parent)})
            tool.with_name(name).rename(tool)
    return tool


def go_examples() -> Path:
    """The folder of the Go examples, built: `relay` and `call`."""
    needs("go")
    folder = BUILD / "examples" / "go"
    with alone("go_examples"):
        run("go", "build", "-o", f"{folder}/", "./...", folder=ROOT / "examples" / "go")
    return folder


def go_program(folder: Path) -> Path:
    """What a folder with a Go module of its own makes."""
    needs("go")
    program = BUILD / "programs" / folder.name
    with alone(folder.name):
        run("go", "build", "-o", str(program), ".", folder=folder)
    return program


def prometheus() -> Path:
    """The folder of `prometheus`, `promtool` and `amtool`."""
    with alone("prometheus"):
        return Path(run("sh", "monitoring/tools.sh").strip())


def browser() -> str:
    """A Chromium without a window."""
    with alone("browser"):
        return run("sh", ".ci/browser.sh").strip()


def typescript_examples() -> Path:
    """The folder of the TypeScript examples, built where anything is newer: `relay.js` and `call.js`."""
    needs("node", "npm")
    folders = (ROOT / "clients" / "typescript", ROOT / "examples" / "typescript")
    built = folders[1] / "dist"
    with alone("typescript_examples"):
        if _is_older(built / "call.js", folders):
            for folder in folders:
                run("npm", "ci", "--silent", "--ignore-scripts", folder=folder)
                run("npm", "run", "--silent", "build", folder=folder)
    return built


def typescript_assistant() -> Path:
    """The program of the official MCP client in TypeScript, which its packages are installed beside."""
    needs("node", "npm")
    folder = ROOT / "tests" / "e2e" / "typescript_mcp"
    installed = folder / "node_modules" / ".package-lock.json"
    with alone("typescript_mcp"):
        if not installed.exists() or installed.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
            run("npm", "ci", "--silent", "--ignore-scripts", folder=folder)
    return folder / "assistant.mjs"


def sarif_schema() -> Path:
    """The schema of SARIF 2.1.0 as OASIS has published it, which a package of Microsoft's brings along."""
    needs("npm")
    folder = BUILD / "sarif"
    schema = folder / "package" / "lib" / "schemas" / "sarif-2.1.0-rtm.5.json"
    with alone("sarif"):
        if not schema.exists():
            folder.mkdir(exist_ok=True)
            packed = run("npm", "pack", "--silent", SARIF, folder=folder).split()[-1]
            run("tar", "-xzf", packed, folder=folder)
    return schema


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


def mcp_servers() -> Path:
    """The folder of the programs of MCP servers that others wrote: `mcp-server-everything`, `mcp-server-filesystem`."""
    needs("node", "npm")
    folder = ROOT / "tests" / "e2e" / "mcp_servers"
    installed = folder / "node_modules" / ".package-lock.json"
    with alone("mcp_servers"):
        if not installed.exists() or installed.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
            run("npm", "ci", "--silent", "--ignore-scripts", folder=folder)
    return folder / "node_modules" / ".bin"


def typescript_api_client() -> Path:
    """The program that calls a node with the client that openapi-generator makes from docs/openapi.yaml."""
    needs("node", "npm", "java")
    here, folder = ROOT / "tests" / "e2e" / "typescript_api", BUILD / "typescript_api"
    document, built = ROOT / "docs" / "openapi.yaml", folder / "dist" / "client.js"
    with alone("typescript_api"):
        newest = max(file.stat().st_mtime for file in (document, *here.iterdir()))
        if not built.exists() or built.stat().st_mtime < newest:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(here, folder, ignore=shutil.ignore_patterns("node_modules"))
            made = ("-i", str(document), "-g", "typescript-fetch", "-o", str(folder / "generated"))
            run(
                "java",
                *BRIEF,
                "-jar",
                str(_openapi_generator()),
                "generate",
                *made,
                "--additional-properties",
                GENERATED,
            )
            run("npm", "ci", "--silent", "--ignore-scripts", folder=folder)
            run("npm", "run", "--silent", "build", folder=folder)
    return built


def _openapi_generator() -> Path:
    folder = BUILD / "tools" / f"openapi-generator-{OPENAPI_GENERATOR}"
    jar = folder / "openapi_generator_cli" / "openapi-generator.jar"
    if not jar.exists():
        package = f"openapi-generator-cli=={OPENAPI_GENERATOR}"
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), package)
    return jar


def schemathesis() -> Path:
    """The program, in an environment of its own: its jsonschema-rs is older than ours, and pytest would load it."""
    wanted = SCHEMATHESIS.read_text(encoding="utf-8")
    folder = BUILD / "tools" / "schemathesis"
    installed = folder / "requirements.txt"
    with alone("schemathesis"):
        if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
            run(sys.executable, "-m", "venv", "--clear", str(folder))
            run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(SCHEMATHESIS))
            installed.write_text(wanted, encoding="utf-8")
    return folder / "bin" / "schemathesis"
