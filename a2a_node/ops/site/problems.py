"""What is wrong with the sources of a site: all of it is told at once, with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, Field

MOST = 200


class Problem(BaseModel):
    """Something that keeps a site from being built."""

    path: Annotated[str, Field(description="The file, from the folder of the sources on.")]
    line: Annotated[int, Field(ge=0, description="Counts from 1; 0 where there is none.")]
    problem: Annotated[str, Field(description="What is wrong, in words.")]


@dataclass(slots=True)
class Problems:
    """Those found so far; at most MOST are kept, all are counted."""

    found: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, path: str, line: int, problem: str) -> None:
        """One more."""
        self.count += 1
        if len(self.found) < MOST:
            self.found.append(Problem(path=path, line=line, problem=problem))

    def told(self, most: int = 10) -> str:
        """The first ones, as one line."""
        shown: Sequence[str] = [f"{each.path}:{each.line}: {each.problem}" for each in self.found[:most]]
        more = f"; and {self.count - len(shown)} more" if self.count > len(shown) else ""
        return "; ".join(shown) + more
