"""What the agent `python` answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """One thing that the linter found."""

    file: Annotated[str, Field(description="Where, in the project.")]
    line: Annotated[int, Field(description="Counts from 1.")]
    rule: Annotated[str, Field(description="The linter's name for it.")]
    message: Annotated[str, Field(description="What it is.")]


class Linted(BaseModel):
    """What the linter found."""

    passed: Annotated[bool, Field(description="Whether it found nothing.")]
    count: Annotated[int, Field(description="How many problems there are.")]
    problems: Annotated[list[Problem], Field(description="The first of them.")]


class Tested(BaseModel):
    """What came of the tests."""

    passed: Annotated[int, Field(description="How many tests passed.")]
    skipped: Annotated[int, Field(description="How many were skipped.")]
    summary: Annotated[str, Field(description="The last line that pytest printed.")]
    cut: Annotated[bool, Field(description="Whether they printed more than was kept.")]


class Built(BaseModel):
    """What was built."""

    wheel: Annotated[str, Field(description="The wheel in the workspace.")]
    tree: Annotated[str, Field(description="The same, unpacked: what can be deployed.")]
    requirements: Annotated[str, Field(description="A file of what it needs, at the versions that it was tested with.")]
    name: Annotated[str, Field(description="The name of the distribution.")]
    version: Annotated[str, Field(description="Its version.")]
    sha256: Annotated[str, Field(description="The digest of the wheel, hexadecimal.")]


class Tried(BaseModel):
    """What was imported."""

    module: Annotated[str, Field(description="Its name.")]
    file: Annotated[str, Field(description="Where it was found, in the folder that was tried.")]
