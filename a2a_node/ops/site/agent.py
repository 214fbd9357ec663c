"""The agent `site`: builds a site from Markdown, checks its links, and tells caches what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.ops import files as places
from a2a_node.ops.exchange import Hosts, Request, exchanged
from a2a_node.ops.site import building, links
from a2a_node.ops.site.problems import Problem
from a2a_node.ops.site.sources import Sources
from a2a_node.ops.workplace import Workplace

MOST_TOLD, AT_ONCE, MOST_BYTES = 1_000, 8, 2**20
PURGED = (200, 202, 204, 404)  # gone from the cache, or never in it
Way = Annotated[str, Field(pattern="^[!-~]{0,1000}$")]
External = Annotated[bool, Field(description="Follow links that lead outside, where this node may.")]
MustPass = Annotated[bool, Field(description="Refuse a site that has problems, instead of telling them.")]
Source = Annotated[str, Field(description="The folder of the workspace that the Markdown lies in.")]


class Checked(BaseModel):
    """What is wrong with the sources of a site."""

    passed: Annotated[bool, Field(description="Whether nothing is.")]
    problems: Annotated[list[Problem], Field(description="The first 200 of them.")]
    count: Annotated[int, Field(description="How many there are.")]
    pages: Annotated[int, Field(description="How many pages there are.")]
    unknown: Annotated[list[str], Field(description="Links outside that nobody looked at; at most 1,000.")]
    hidden: Annotated[list[str], Field(description="Files that are not published: their names begin with a dot.")]


class File(BaseModel):
    """A file of the site."""

    path: Annotated[str, Field(description="Its path after the site's URL.")]
    sha256: Annotated[str, Field(description="The digest of its content.")]


class Built(BaseModel):
    """A site that was built."""

    path: Annotated[str, Field(description="Where it lies in the workspace.")]
    pages: Annotated[int, Field(description="How many pages it has.")]
    files: Annotated[list[File], Field(description=f"What must be served, pages first; at most {MOST_TOLD:,}.")]
    purge: Annotated[list[str], Field(description="Paths whose content may change, for caches.")]
    pictures: Annotated[int, Field(description="How many pictures there are.")]
    saved_bytes: Annotated[int, Field(description="How much smaller the pictures have become.")]


class Purged(BaseModel):
    """What a cache was told."""

    paths: Annotated[int, Field(description="How many paths it has forgotten.")]


def made(workplace: Workplace, allowed: Sequence[str]) -> Agent:
    """The agent, in its workplace; it may ask the allowed hosts beside this machine."""
    hosts = Hosts(frozenset(allowed))
    agent = Agent(
        "site",
        version="1.0.0",
        description="Builds a site from Markdown, checks its links, and purges caches.",
        category="content",
        tags=("built-in", "ops"),
    )

    @agent.capability(idempotent=True)
    async def check(
        source: Source,
        external: External = False,  # noqa: FBT002 - inputs are given by name
        must_pass: MustPass = False,  # noqa: FBT002
    ) -> Checked:
        """Read the pages and look where their links lead; nothing is written. SITE_INVALID if it `must_pass`."""
        sources = await asyncio.to_thread(_read, workplace.path("input.source", source))
        unknown = await links.check_outside(sources, hosts) if external else [url for *_, url in links.outside(sources)]
        if must_pass:
            building.refuse(sources)
        return Checked(
            passed=not sources.problems.count,
            problems=sources.problems.found,
            count=sources.problems.count,
            pages=len(sources.pages),
            unknown=list(unknown)[:MOST_TOLD],
            hidden=sources.hidden[:MOST_TOLD],
        )

    @agent.capability(idempotent=True)
    def build(
        source: Source,
        target: Annotated[str, Field(description="The folder of the workspace to build into, whole or not at all.")],
        context: Context,
    ) -> Built:
        """Build the site; SITE_INVALID tells the first problems when there are any."""
        folder, place = workplace.path("input.source", source), workplace.path("input.target", target)
        room = workplace.limits.workspace_bytes - places.size(workplace.root)
        site = building.built(folder, place, room, context.cancelled.is_set)
        first = sorted(site.digests.items(), key=lambda each: (not each[0].endswith(".html"), each[0]))[:MOST_TOLD]
        return Built(
            path=workplace.told(place),
            pages=site.pages,
            files=[File(path=quote(path), sha256=digest) for path, digest in first],
            purge=[quote(path) for path in site.fixed][:MOST_TOLD],
            pictures=site.pictures,
            saved_bytes=site.saved,
        )

    @agent.capability(idempotent=True)
    async def purge(
        cache: Annotated[
            str, Field(max_length=2000, description="The site's URL as the cache serves it; empty: there is none.")
        ],
        paths: Annotated[list[Way], Field(max_length=MOST_TOLD, description="What it must forget.")],
    ) -> Purged:
        """Ask an HTTP cache to forget paths (method PURGE); PURGE_FAILED names those that it would not."""
        if not cache:
            return Purged(paths=0)
        parts, address = await hosts.address("input.cache", cache)
        turns = asyncio.Semaphore(AT_ONCE)

        async def problem(path: str) -> str:
            way = f"{parts.path.rstrip('/')}/{path.lstrip('/')}"
            request = Request(parts._replace(path=way, query="", fragment=""), address, method="PURGE")
            async with turns:
                answer = await exchanged(request, 5.0, MOST_BYTES)
            return "" if answer.status in PURGED else f"{path}: status {answer.status}"

        told = list(dict.fromkeys(way for path in paths for way in _ways(path)))
        failed = [each for each in await asyncio.gather(*map(problem, told)) if each]
        if failed:
            raise AgentRefused(f"the cache would not forget {'; '.join(failed[:10])}", reason="PURGE_FAILED")
        return Purged(paths=len(told))

    return agent


def _read(folder: Path) -> Sources:
    sources = Sources.read(folder)
    links.check_inside(sources)
    return sources


def _ways(path: str) -> Iterator[str]:
    """How a cache may know a file: the first page of a folder by the folder, too."""
    yield path
    if path.rpartition("/")[2] == "index.html":
        yield path.removesuffix("index.html")
