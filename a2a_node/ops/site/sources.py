"""The sources of a site: its pages, its other files by name, and where a link between them leads."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.site.markdown import MOST_BYTES, Page, read_page
from a2a_node.ops.site.problems import Problems
from a2a_node.ops.trees import Stop, check_awaited, files, told

MOST_FILES = 5_000
FIELD = "input.source"
LAYOUT = "layout.html"
WELL_KNOWN = ".well-known"
OUTSIDE = ("http", "https", "")  # the last one of links such as //host/path
FREE = ("mailto", "tel")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads inside of the site."""

    file: str  # of the sources; empty where there is none
    anchor: str
    query: str


@dataclass(slots=True)
class Sources:
    """What lies in the folder of the sources."""

    folder: Path
    problems: Problems = field(default_factory=Problems)
    pages: dict[str, Page] = field(default_factory=dict)
    drafts: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)  # all that is no page
    layout: str = ""
    hidden: list[str] = field(default_factory=list)  # files that are not published

    @classmethod
    def read(cls, folder: Path, stop: Stop = lambda: False) -> Sources:
        """All of a folder; InvalidInput for what is none, or more or larger than a site's sources are.

        AgentRefused when `stop` says that nobody waits any more.
        """
        if not folder.is_dir():
            raise InvalidInput(FIELD, "is no folder; name the one that the Markdown lies in")
        sources = cls(folder)
        for file in files(FIELD, folder, MOST_FILES):
            check_awaited(stop)
            sources._take(told(file, folder))
        if not sources.pages:
            raise InvalidInput(FIELD, "has no page: no file that ends in .md and is no draft")
        return sources

    def _take(self, path: str) -> None:
        parts = path.split("/")
        if any(part.startswith(".") and part != WELL_KNOWN for part in parts):
            self.hidden.append(path)
        elif path == LAYOUT:
            self.layout = self.text(path)
        elif path.endswith(".md"):
            page = read_page(path, self.text(path), self.problems)
            self.drafts.add(path) if page.draft else self.pages.update({path: page})
        elif path.endswith((".html", ".htm")):
            self.problems.add(path, 0, f"is HTML of its own; write Markdown, or one {LAYOUT} for all pages")
        else:
            self.assets.add(path)

    def text(self, path: str) -> str:
        """The text of a file; InvalidInput for one that is too large, and for what is no UTF-8."""
        file = self.folder / path
        if (size := file.stat().st_size) > MOST_BYTES:
            raise InvalidInput(FIELD, f"{path} has {size:,} bytes, the limit of a text is {MOST_BYTES:,}; split it")
        try:
            return file.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(FIELD, f"{path} is no UTF-8 at byte {error.start}; save it as such") from None

    def leads(self, path: str, target: str) -> Target | SplitResult | None:
        """Where a link in a file leads: inside, outside, or to nothing that could be looked at."""
        try:
            parts = urlsplit(target)
        except ValueError:
            return Target("", "", "")
        if parts.scheme in FREE or parts.scheme == "data":
            return None
        if parts.scheme or parts.netloc:
            return parts if parts.scheme in OUTSIDE and parts.netloc else Target("", "", "")
        wanted = unquote(parts.path)
        found = path if not wanted else self._found(_joined(path, wanted))
        return Target(found, unquote(parts.fragment), parts.query)

    def _found(self, wanted: str) -> str:
        for candidate in _candidates(wanted):
            if candidate in self.pages or candidate in self.assets:
                return candidate
        return ""


def _joined(path: str, wanted: str) -> str:
    """The path of a link, from the folder of the sources on; a `/` at its end stays."""
    base = "" if wanted.startswith("/") else posixpath.dirname(path)
    joined = posixpath.normpath(posixpath.join(base, wanted.lstrip("/") or "."))
    return f"{joined}/" if wanted.endswith("/") else joined


def _candidates(wanted: str) -> Iterator[str]:
    """What a path may mean: a file as it is, the page that is written there, the first page of a folder."""
    plain = wanted.rstrip("/").removeprefix("./")
    if not wanted.endswith("/"):
        yield plain
        yield f"{plain.removesuffix('.html')}.md"
    yield f"{plain}/index.md" if plain not in ("", ".") else "index.md"
