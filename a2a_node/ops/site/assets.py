"""Files beside the pages: each gets a name that tells its content, so that caches may keep it for ever.

`style.css` becomes `style.3f2a90c1d4.css`, and whatever names it says the new name, style sheets among them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from urllib.parse import quote

from a2a_node.ops.site.images import FORMATS, optimised
from a2a_node.ops.site.sources import FIELD, WELL_KNOWN, Sources, Target

AS_THEY_ARE = ("robots.txt", "favicon.ico", "sitemap.xml", "humans.txt", "CNAME")  # whose names others have fixed
MOST_BYTES = 64 * 2**20
NAMES = re.compile(
    r"""url\(\s{0,8}(?P<q>['"]?)(?P<a>[^'"()\s]{1,1000})(?P=q)\s{0,8}\)|@import\s{1,8}['"](?P<b>[^'"]{1,1000})['"]"""
)
Write = Callable[[str, bytes], None]  # a file by its path in the site


@dataclass(slots=True)
class Assets:
    """The files of a site as they are written; `names` has their new paths by the old ones."""

    sources: Sources
    write: Write
    names: dict[str, str] = field(default_factory=dict)
    pictures: int = 0
    saved: int = 0  # bytes of pictures
    _open: list[str] = field(default_factory=list)  # style sheets on the way here

    def publish(self) -> None:
        """Write all of them; InvalidInput for a picture that is none, and what is wrong in style sheets is told."""
        for path in sorted(self.sources.assets):
            if not path.endswith(".css"):
                self._publish(path, self._read(path))
        for path in sorted(self.sources.assets):
            if path.endswith(".css"):
                self._style(path)

    def _read(self, path: str) -> bytes:
        file = self.sources.folder / path
        size = file.stat().st_size
        if size > MOST_BYTES:
            self.sources.problems.add(path, 0, f"has {size:,} bytes, the limit is {MOST_BYTES:,}")
            return b""
        data = file.read_bytes()
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in FORMATS:
            return data
        fresh = optimised(f"{FIELD} ({path})", data, suffix)
        self.pictures, self.saved = self.pictures + 1, self.saved + max(0, len(data) - len(fresh))
        return fresh

    def _publish(self, path: str, data: bytes) -> None:
        fixed = path in AS_THEY_ARE or path.startswith(f"{WELL_KNOWN}/")
        self.names[path] = path if fixed else fingerprinted(path, data)
        self.write(self.names[path], data)

    def _style(self, path: str) -> None:
        """Write a style sheet after those that it imports."""
        if path in self.names:
            return
        self._open.append(path)
        text = self.sources.text(path)

        def renamed(said: re.Match[str]) -> str:
            old = said["a"] or said["b"]
            new = self._renamed(path, old, text.count("\n", 0, said.start()) + 1)
            return said[0].replace(old, new)

        self._publish(path, NAMES.sub(renamed, text).encode())
        self._open.pop()

    def _renamed(self, path: str, said: str, line: int) -> str:
        leads = self.sources.leads(path, said)
        if not isinstance(leads, Target) or said.startswith("#"):
            return said
        if leads.file.endswith(".css") and leads.file not in self.names:
            if leads.file in self._open:
                self.sources.problems.add(path, line, f"imports {said[:200]!r}, which imports it again")
                return said
            self._style(leads.file)
        if leads.file not in self.names:
            self.sources.problems.add(path, line, f"names {said[:200]!r}, which is not there")
            return said
        return relative(path, self.names[leads.file], leads)


def fingerprinted(path: str, data: bytes) -> str:
    """The path with a part of the content's digest in the name."""
    pure = PurePosixPath(path)
    return str(pure.with_name(f"{pure.stem}.{sha256(data).hexdigest()[:10]}{pure.suffix}"))


def relative(path: str, target: str, leads: Target) -> str:
    """How a file names another one, wherever the site is served."""
    way = posixpath.relpath(target, posixpath.dirname(path) or ".")
    query = f"?{leads.query}" if leads.query else ""
    return quote(way) + query + (f"#{quote(leads.anchor)}" if leads.anchor else "")
