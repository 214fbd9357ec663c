"""Releases: staged aside, served at once, taken back."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.model.errors import InvalidInput
from a2a_node.ops import releases
from a2a_node.ops.workplace import Workplace
from tests.unit.ops.places import done, workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A workspace."""
    return workplace(tmp_path)


@pytest.fixture
def agent(place: Workplace) -> Agent:
    """The agent at work there."""
    return releases.made(place)


async def staged(agent: Agent, place: Workplace, text: str) -> str:
    """A release with one page."""
    await place.write("f", "site/page.html", text.encode())
    return str((await done(agent, "stage", site="shop", source="site"))["release"])


async def test_a_site_serves_one_release_or_the_other(place: Workplace, agent: Agent) -> None:
    """Staging changes nothing, switching everything, and the way back leads to what was there before."""
    page = place.root / "sites/shop/current/page.html"
    first = await staged(agent, place, "1")
    assert not page.exists()
    assert await done(agent, "switch", site="shop", release=first) == {
        "release": first,
        "previous": "",
        "path": "sites/shop/current",
    }
    second = await staged(agent, place, "2")
    assert page.read_text(encoding="utf-8") == "1"
    for _ in range(2):  # a step whose node died is done again
        assert (await done(agent, "switch", site="shop", release=second))["previous"] == first
        assert page.read_text(encoding="utf-8") == "2"
    for changed in (True, False):
        back = await done(agent, "rollback", site="shop", release=second, to=first)
        assert back == {"release": first, "changed": changed}
        assert page.read_text(encoding="utf-8") == "1"
    await done(agent, "rollback", site="shop", release=first)
    assert not page.exists()
    assert (await done(agent, "current", site="shop"))["release"] == ""


async def test_equal_content_is_the_same_release(place: Workplace, agent: Agent) -> None:
    """Whatever it lies in; a name, a mode or a byte makes another one."""
    first = await staged(agent, place, "1")
    assert await staged(agent, place, "1") == first
    (place.root / "site/page.html").chmod(0o700)
    assert (await done(agent, "stage", site="shop", source="site"))["release"] != first
    one = await done(agent, "stage", site="shop", source="site/page.html")
    assert (one["files"], one["bytes"]) == (1, 1)
    assert (place.root / str(one["path"]) / "page.html").read_text(encoding="utf-8") == "1"


async def test_readers_never_find_nothing(place: Workplace, agent: Agent) -> None:
    """While it is switched again and again."""
    both = [await staged(agent, place, text) for text in "12"]
    await done(agent, "switch", site="shop", release=both[0])
    page, seen = place.root / "sites/shop/current/page.html", set()

    async def switch() -> None:
        for turn in range(60):
            await done(agent, "switch", site="shop", release=both[turn % 2])

    switching = asyncio.create_task(switch())
    while not switching.done():
        seen.add(await asyncio.to_thread(page.read_text, encoding="utf-8"))
    await switching
    assert seen == {"1", "2"}


async def test_old_releases_go(place: Workplace, agent: Agent) -> None:
    """But for the newest, the one that is served and the one before it."""
    names = [await staged(agent, place, str(number)) for number in range(6)]
    for age, name in enumerate(reversed(names)):
        os.utime(place.root / "sites/shop/releases" / name, (1_000 - age, 1_000 - age))
    for name in names[:2]:
        await done(agent, "switch", site="shop", release=name)
    removed = (await done(agent, "prune", site="shop", keep=1))["removed"]
    assert removed == [names[4], names[3], names[2]]
    with pytest.raises(InvalidInput, match="stage it first"):
        await done(agent, "switch", site="shop", release=names[3])


async def test_bad_input_is_refused(place: Workplace, agent: Agent, tmp_path: Path) -> None:
    """Names that lead elsewhere, sources that are not there, links that lead out, pipes."""
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    (place.root / "out").mkdir()
    (place.root / "out/link").symlink_to(tmp_path / "secret")
    (place.root / "pipes").mkdir()
    os.mkfifo(place.root / "pipes/pipe")
    for said, why in (
        ({"site": "../shop", "source": "out"}, r"input\.site"),
        ({"site": "shop", "source": "../x"}, r"input\.source"),
        ({"site": "shop", "source": "nothing"}, "share the workspace"),
        ({"site": "shop", "source": "out"}, "leads out"),
        ({"site": "shop", "source": "pipes"}, "no file"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await done(agent, "stage", **said)
    with pytest.raises(InvalidInput, match=r"input\.release"):
        await done(agent, "switch", site="shop", release="../../../x")
    assert list((place.root / "sites/shop/releases").iterdir()) == []
