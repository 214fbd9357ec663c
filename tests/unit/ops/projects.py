"""A real Python project in a real git repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "till"
version = "1.2.3"
dependencies = ["packaging>=20"]
[tool.setuptools]
packages = ["till"]
[tool.pytest.ini_options]
testpaths = ["tests"]
""",
    "till/__init__.py": '"""Sums."""\n\n\ndef total(prices: list[int]) -> int:\n    return sum(prices)\n',
    "tests/test_till.py": "from till import total\n\n\ndef test_total() -> None:\n    assert total([1, 2]) == 3\n",
}


def git(folder: Path, *arguments: str) -> str:
    """What git says."""
    me = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *me, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def project(folder: Path, **changes: str) -> Path:
    """A project in a folder, some of its files changed."""
    for name, text in {**FILES, **changes}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def repository(folder: Path, **changes: str) -> Path:
    """The same under git, with one commit and the tag v1."""
    project(folder, **changes)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Sum prices")
    git(folder, "tag", "v1")
    return folder
