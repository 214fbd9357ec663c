"""The blocks of code of a page, and what their page says of them.

A comment above a block tells how it is to be taken: `<!-- keeps running -->` of what ends with the reader alone, and
`<!-- not run: needs … -->` of what cannot be done here, and why. A block that begins with `# name.py`, or with another
name of a file, is that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.e2e.tools import ROOT

BLOCK = re.compile(r"(?:<!-- (?P<wish>.+?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTS = re.compile(r"# prints (?P<said>.+)$", re.MULTILINE)
NAMED = re.compile(r"# (?P<name>\S*\.\w+)$", re.MULTILINE)
FILES = {"python": ".py", "yaml": ".yaml", "toml": ".toml", "dotenv": ".env"}
KEEPS_RUNNING = "keeps running"
NOT_RUN = "not run: needs "
NODE = re.compile(r"\bmake up\b|\ba2a-node (up|serve)\b")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code."""

    language: str
    text: str
    wish: str | None = None

    @property
    def keeps_running(self) -> bool:
        """Whether it ends with the reader alone."""
        return self.wish == KEEPS_RUNNING

    @property
    def needs(self) -> str | None:
        """What it needs that is not here; None when it is run."""
        return self.wish.removeprefix(NOT_RUN) if self.wish and self.wish.startswith(NOT_RUN) else None

    @property
    def runs_a_node(self) -> bool:
        """Whether what it starts is a node, which takes the place of the one before."""
        return NODE.search(self.text) is not None

    @property
    def expected(self) -> Sequence[str]:
        """What it is said to print."""
        return PRINTS.findall(self.text)

    @property
    def name(self) -> str | None:
        """The name of the file that it is; None of a block that is none."""
        found = NAMED.match(self.text) if self.language in FILES else None
        return found["name"] if found is not None else None


def page(name: str) -> str:
    """The text of a page by its path in the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    for found in BLOCK.finditer(page(name)):
        yield Block(found["language"], found["text"], found["wish"])
