"""The agent that deploys: releases side by side, switched to and back again in one step."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import Agent
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.sites import Site
from a2a_node.ops.workplace import Workplace

NAME = r"^[a-z][a-z0-9_-]{0,62}$"
RELEASE = r"^[0-9a-f]{16}$"
OR_NONE = r"^([0-9a-f]{16})?$"
SITES = "sites"

SiteName = Annotated[str, Field(pattern=NAME, description="The site: what is deployed, and where, as `shop-staging`.")]
Release = Annotated[str, Field(pattern=RELEASE, description="A release, as `stage` has named it.")]


class Staged(BaseModel):
    """A release that was staged."""

    release: Annotated[str, Field(description="Its name: the same content has the same one.")]
    path: Annotated[str, Field(description="Where it lies in the workspace.")]
    files: Annotated[int, Field(description="How many files it has.")]
    bytes: Annotated[int, Field(description="How many bytes they have.")]


class Switched(BaseModel):
    """What a site serves now."""

    release: Annotated[str, Field(description="What is served now; empty where nothing is.")]
    previous: Annotated[str, Field(description="What was served before it; empty where nothing was.")]
    path: Annotated[str, Field(description="Where what is served lies in the workspace, a link to the release.")]


class RolledBack(BaseModel):
    """What came of a way back."""

    release: Annotated[str, Field(description="What is served now; empty where nothing is.")]
    changed: Annotated[bool, Field(description="Whether it was changed: not where something else was served already.")]


class Pruned(BaseModel):
    """What was removed."""

    removed: Annotated[list[str], Field(description="The releases that are gone.")]


def made(workplace: Workplace) -> Agent:
    """The agent, in its workplace."""
    agent = Agent(
        "releases",
        version="1.0.0",
        description="Deploys files as releases, switches a site from one to another at once, and back.",
        category="operations",
        tags=("built-in", "ops"),
    )

    def at(name: str) -> Site:
        return Site(workplace.path("input.site", f"{SITES}/{name}"))

    @agent.capability(idempotent=True)
    async def stage(
        site: SiteName,
        source: Annotated[str, Field(description="The file or folder in the workspace that is to be released.")],
    ) -> Staged:
        """Copy a file or folder as a release of the site; nothing that is served changes."""
        place, found = at(site), workplace.path("input.source", source)
        if not found.exists():
            raise InvalidInput("input.source", f"{source[:80]!r} is not there; the nodes must share the workspace")
        staged = await asyncio.to_thread(place.stage, found)
        path = workplace.told(place.releases / staged.release)
        return Staged(release=staged.release, path=path, files=staged.files, bytes=staged.bytes)

    @agent.capability(idempotent=True)
    async def switch(site: SiteName, release: Release) -> Switched:
        """Serve a release from now on: one rename, so that readers see the old one or the new one."""
        place = at(site)
        previous = await asyncio.to_thread(place.switch, release)
        return Switched(release=release, previous=previous, path=f"{SITES}/{site}/current")

    @agent.capability(idempotent=True)
    async def rollback(
        site: SiteName,
        release: Release,
        to: Annotated[str, Field(description="What to serve again; empty means nothing.", pattern=OR_NONE)] = "",
    ) -> RolledBack:
        """Serve again what was served before a release; nothing is done where that is not served any more."""
        changed = await asyncio.to_thread(at(site).roll_back, release, to)
        return RolledBack(release=at(site).current(), changed=changed)

    @agent.capability(idempotent=True)
    async def current(site: SiteName) -> Switched:
        """What the site serves."""
        place = at(site)
        return Switched(release=place.current(), previous=place.previous(), path=f"{SITES}/{site}/current")

    @agent.capability(idempotent=True)
    async def prune(
        site: SiteName,
        keep: Annotated[int, Field(ge=1, le=1000, description="How many of the newest releases stay.")] = 5,
    ) -> Pruned:
        """Remove old releases; the one that is served and the one before it stay in any case."""
        return Pruned(removed=list(await asyncio.to_thread(at(site).prune, keep)))

    return agent
