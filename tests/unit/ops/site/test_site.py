"""The agent `site` on a real small site."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.site import made
from a2a_node.ops.site.agent import Built, Checked
from a2a_node.ops.site.building import built
from a2a_node.ops.workplace import Limits
from tests.unit.ops.asking import answer
from tests.unit.ops.places import workplace
from tests.unit.ops.site.sources import put, written

BUILD = {"source": "src", "target": "out"}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """The sources in the workspace."""
    return written(tmp_path / "workspace" / "src")


@pytest.fixture
def site(tmp_path: Path) -> Agent:
    """The agent."""
    return made(workplace(tmp_path), [])


async def test_a_site_is_built(site: Agent, src: Path) -> None:
    """Every page and file, with the digests of what must be served; no draft, and nothing hidden."""
    built = await answer(site, "build", BUILD, Built)
    out = src.parent / built.path
    assert (built.pages, built.pictures) == (4, 2)
    assert sorted(built.purge) == ["guide/index.html", "guide/start.html", "index.html", "prices.html", "robots.txt"]
    for file in built.files:
        assert sha256((out / file.path).read_bytes()).hexdigest() == file.sha256
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {file.path for file in built.files} | {"manifest.json"}
    assert not [name for name in names if "draft" in name or ".env" in name or "layout" in name]
    assert json.loads((out / "manifest.json").read_text()) == {file.path: file.sha256 for file in built.files}


async def test_html_in_markdown_is_shown_as_text(site: Agent, src: Path) -> None:
    """Nothing that somebody writes into a page runs; titles are escaped."""
    await answer(site, "build", BUILD, Built)
    page = (src.parent / "out" / "index.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert 'href="javascript' not in page
    assert "<title>The shop</title>" in page


async def test_references_say_the_new_names(site: Agent, src: Path) -> None:
    """In pages, in the layout and in style sheets, from wherever they stand; each leads to a file that there is."""
    built = await answer(site, "build", BUILD, Built)
    out = src.parent / "out"
    for file in (each.path for each in built.files if each.path.endswith((".html", ".css"))):
        for name in re.findall(r"""(?:href="|src="|url\(|import ')([^"')#?]+)""", (out / file).read_text()):
            if not name.startswith("mailto:"):
                assert (out / file).parent.joinpath(name).exists(), (file, name)
    assert re.search(r'<link href="\.\./style\.[0-9a-f]{10}\.css">', (out / "guide" / "start.html").read_text())
    assert re.search(r"files/list\.[0-9a-f]{10}\.txt\?x=1", (out / "prices.html").read_text())
    assert 'href="guide/start.html#first-steps"' in (out / "index.html").read_text()


async def test_a_name_changes_with_what_it_stands_for(site: Agent, src: Path) -> None:
    """Also with what its content names: the style sheet says the other one's new name."""
    before = {file.path for file in (await answer(site, "build", BUILD, Built)).files}
    assert {file.path for file in (await answer(site, "build", BUILD, Built)).files} == before
    put(src, "base.css", "a{color:blue}\n")
    changed = {file.path for file in (await answer(site, "build", BUILD, Built)).files} - before
    assert sorted(path.partition(".")[0] for path in changed) == ["base", "style"]


async def test_pictures_are_smaller_and_say_nothing_of_who_took_them(site: Agent, src: Path) -> None:
    """They are turned as the camera noted, and the note is gone."""
    built = await answer(site, "build", BUILD, Built)
    (file,) = (src.parent / "out" / "img").glob("photo.*.jpg")
    with Image.open(file) as image:
        assert image.size == (300, 400)
        assert not dict(image.getexif())
    assert b"Camera of Ada" not in file.read_bytes()
    assert b"private" not in file.read_bytes()
    assert built.saved_bytes > 0


async def test_a_picture_that_gains_nothing_stays_as_it_is(site: Agent, src: Path) -> None:
    """Written anew it would only lose."""
    out = io.BytesIO()
    Image.new("1", (8, 8)).save(out, "PNG", optimize=True)
    put(src, "img/logo.png", out.getvalue())
    await answer(site, "build", BUILD, Built)
    (file,) = (src.parent / "out" / "img").glob("logo.*.png")
    assert file.read_bytes() == out.getvalue()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"source": "../src", "target": "out"}, "input.source"),
        ({"source": "/etc", "target": "out"}, "input.source"),
        ({"source": "nowhere", "target": "out"}, "is no folder"),
        ({"source": "src/guide", "target": "../out"}, "input.target"),
        ({"source": "src", "target": "src/out"}, "lies in the sources"),
        ({"source": "src/guide", "target": "src"}, "lies in the sources"),
        ({"source": "src", "target": "other"}, "holds what was not built here"),
        ({"source": "link", "target": "out"}, "input.source"),
        ({"source": "empty", "target": "out"}, "has no page"),
    ],
    ids=["up", "absolute", "gone", "target-up", "inside", "around", "not-ours", "link", "empty"],
)
async def test_bad_places_are_refused(site: Agent, src: Path, said: Mapping[str, object], words: str) -> None:
    """Those outside of the workspace, and those where something would be lost."""
    put(src.parent, "other/precious.txt", "kept")
    (src.parent / "link").symlink_to("/etc")
    (src.parent / "empty").mkdir()
    with pytest.raises(InvalidInput, match=words):
        await answer(site, "build", said, Built)
    assert (src.parent / "other" / "precious.txt").read_text() == "kept"


async def test_a_site_that_does_not_fit_is_refused(tmp_path: Path, src: Path) -> None:
    """Nothing of it is left."""
    small = made(workplace(tmp_path, Limits(workspace_bytes=200_000)), [])
    with pytest.raises(AgentRefused, match="does not fit"):
        await answer(small, "build", BUILD, Built)
    assert not (src.parent / "out").exists()


async def test_all_problems_are_told_at_once(site: Agent, src: Path) -> None:
    """By `check`, which writes nothing and tells what it did not look at."""
    put(src, "a.md", "[x](gone.md) [y](https://shop.example/)\n")
    checked = await answer(site, "check", {"source": "src"}, Checked)
    assert (checked.passed, checked.count, len(checked.problems)) == (False, 2, 2)
    assert (checked.unknown, checked.hidden) == (["https://shop.example/"], [".env"])
    assert not (src.parent / "out").exists()


@pytest.mark.parametrize("after", [0, 5, 20])
def test_a_build_that_nobody_waits_for_leaves_nothing(src: Path, after: int) -> None:
    """Above all no site that is half of one."""
    asked = iter(range(1000))
    target = src.parent / "out"
    with pytest.raises(AgentRefused, match="nobody waits"):
        built(src, target, 1 << 30, lambda: next(asked) >= after)
    assert [each.name for each in src.parent.iterdir()] == ["src"]
