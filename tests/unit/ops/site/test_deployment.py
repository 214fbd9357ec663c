"""The template `content-deployment` from end to end: real agents, a real web server and a cache before it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from a2a_node.model.runs import RunStatus
from a2a_node.model.workflows import Object
from a2a_node.ops import prober, releases, site
from tests.unit.ops.places import workplace
from tests.unit.ops.site.sources import put, written
from tests.unit.ops.walked import run
from tests.unit.ops.web import fetched, web
from tests.unit.workflows.walks import Paper


async def deployed(folder: Path, inputs: Object) -> Paper:
    """The record of a run."""
    place = workplace(folder)
    agents = {"site": site.made(place, []), "releases": releases.made(place), "prober": prober.made(place, [])}
    return await run("content-deployment", agents, {"source": "src", "site": "shop", **inputs})


async def test_a_site_is_deployed_and_deployed_again(tmp_path: Path) -> None:
    """Readers see the new pages at once, through the cache, too; the old release stays to go back to."""
    src = written(tmp_path / "workspace" / "src")
    with web(tmp_path / "workspace/sites/shop/current") as (url, cache):
        first = await deployed(tmp_path, {"url": url, "cache": cache})
        assert first.run.status is RunStatus.COMPLETED, first.run.error
        assert "<title>The shop</title>" in await asyncio.to_thread(fetched, f"{cache}/index.html")
        put(src, "index.md", "# News\n")
        second = await deployed(tmp_path, {"url": url, "cache": cache})
        assert second.run.status is RunStatus.COMPLETED, second.run.error
        assert "<title>News</title>" in await asyncio.to_thread(fetched, f"{cache}/index.html")
    assert first.run.output is not None
    assert second.run.output is not None
    assert second.run.output["previous"] == first.run.output["release"]


async def test_a_site_that_is_not_served_as_it_must_be_is_taken_back(tmp_path: Path) -> None:
    """The release before is served again, and no cache keeps a page of the new one."""
    src = written(tmp_path / "workspace" / "src")
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, "index.html", "another site")
    with web(tmp_path / "workspace/sites/shop/current") as (url, cache), web(elsewhere) as (wrong, _):
        await deployed(tmp_path, {"url": url, "cache": cache})
        put(src, "index.md", "# News\n")
        failed = await deployed(tmp_path, {"url": wrong, "cache": cache})
        assert failed.run.status is RunStatus.FAILED
        assert failed.run.error is not None
        assert failed.run.error.reason == "PROBE_FAILED"
        assert failed.statuses()["switch_back"] == failed.statuses()["purge_again"] == "completed"
        for place in (url, cache):
            assert "<title>The shop</title>" in await asyncio.to_thread(fetched, f"{place}/index.html")


async def test_a_broken_site_is_not_deployed(tmp_path: Path) -> None:
    """Nothing of what is served changes."""
    src = written(tmp_path / "workspace" / "src")
    put(src, "index.md", "# A\n\n[x](gone.md)\n")
    failed = await deployed(tmp_path, {"url": "http://127.0.0.1:9"})
    assert failed.run.error is not None
    assert failed.run.error.reason == "SITE_INVALID"
    assert not (tmp_path / "workspace" / "sites").exists()
