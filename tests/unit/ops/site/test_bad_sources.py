"""Sources that no site is built of: each is refused with its place, and what was built before stays."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.site import made
from a2a_node.ops.site.agent import Built
from tests.unit.ops.asking import answer
from tests.unit.ops.places import workplace
from tests.unit.ops.site.sources import photo, put, written


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says how many pixels it has."""
    head = side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    body = (_framed(name, data) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _framed(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


BAD: Mapping[str, tuple[str, str | bytes, str]] = {
    "broken-link": ("a.md", "# A\n\n[x](gone.md)\n", "a.md:3: the link to 'gone.md' leads to nothing"),
    "broken-anchor": ("a.md", "# A\n\n[x](index.md#gone)\n", "leads to a heading that index.md does not have"),
    "own-anchor": ("a.md", "# A\n\n[x](#gone)\n", "leads to a heading that a.md does not have"),
    "link-out": ("a.md", "# A\n\n[x](../../secret.txt)\n", "leads to nothing"),
    "link-draft": ("a.md", "# A\n\n[x](draft.md)\n", "leads to nothing"),
    "link-scheme": ("a.md", "# A\n\n[x](gopher://x/)\n", "leads to nothing"),
    "no-title": ("a.md", "words\n", "has no title"),
    "head-yaml": ("a.md", "---\ntitle: [\n---\n# A\n", "its head"),
    "head-alias": ("a.md", "---\ntitle: &a x\ndescription: *a\n---\n# A\n", "its head"),
    "head-twice": ("a.md", "---\ntitle: a\ntitle: b\n---\n# A\n", "its head"),
    "head-key": ("a.md", "---\nlayout: evil\n---\n# A\n", "its head says 'layout'"),
    "head-type": ("a.md", "---\ntitle: 7\n---\n# A\n", "its title must be a text"),
    "html": ("a.html", "<p>", "is HTML of its own"),
    "large": ("a.md", "# A\n" + "x" * 50_000_000, "a.md has 50,000,004 bytes"),
    "not-utf-8": ("a.md", b"# \xff\n", "a.md is no UTF-8"),
    "bomb": ("img/b.png", bomb(100_000), "img/b.png"),
    "many-pixels": ("img/b.png", bomb(7_000), "7,000 by 7,000 pixels"),
    "no-picture": ("img/b.jpg", b"GIF89a nothing", "is no JPEG picture"),
    "cut-picture": ("img/b.jpg", photo()[:2_000], "is no JPEG picture"),
    "css-gone": ("a.css", "a{background:url('gone.png')}", "a.css:1: names 'gone.png'"),
    "css-circle": ("base.css", "@import 'style.css';", "imports it again"),
    "layout-slot": ("layout.html", "{{ content }}{{ evil }}", "a place for 'evil'"),
    "layout-empty": ("layout.html", "<p>", "no place for the content"),
    "layout-gone": ("layout.html", '{{ content }}<img src="/gone.png">', "layout.html:0: names '/gone.png'"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_sources_are_refused(tmp_path: Path, name: str) -> None:
    """With the file, the line and what is wrong; what was built before stays as it was."""
    workspace = tmp_path / "workspace"
    site, src = made(workplace(tmp_path), []), written(workspace / "src")
    said = {"source": "src", "target": "out"}
    await answer(site, "build", said, Built)
    before = {path: path.read_bytes() for path in (workspace / "out").rglob("*") if path.is_file()}
    path, text, words = BAD[name]
    put(src, path, text)
    with pytest.raises((InvalidInput, AgentRefused)) as refused:
        await answer(site, "build", said, Built)
    assert words in refused.value.message
    assert {path: path.read_bytes() for path in (workspace / "out").rglob("*") if path.is_file()} == before
    assert sorted(each.name for each in workspace.iterdir()) == [".a2a", "out", "src"]
