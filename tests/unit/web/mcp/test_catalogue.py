"""Which tools a caller sees: page by page, made again only when something has changed, and for so many callers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from a2a_node.access.decisions import Decisions
from a2a_node.access.following import Following
from a2a_node.access.uses import Uses
from a2a_node.mesh.entries import Entry
from a2a_node.model.agents import AgentCapability, AgentDescriptor, RegisteredAgent
from a2a_node.model.errors import PageTokenInvalid
from a2a_node.model.grants import NewGrant
from a2a_node.model.principal import Principal
from a2a_node.testing import MemoryGrants
from a2a_node.web.mcp.callers import Caller
from a2a_node.web.mcp.catalogue import PAGE, Catalogue, Own

ANN, ROOT = Principal("person", "ann"), Principal("person", "root")
THEN = datetime(2026, 11, 27, tzinfo=UTC)
OWN = Own({"name": "mesh_list_agents"}, "registry:read")


class Agents:
    """A directory that changes when a test says so."""

    def __init__(self, *names: str, many: int = 1) -> None:
        self.revision, self.looks = 1, 0
        offered = tuple(AgentCapability(f"do-{number}") for number in range(many))
        self.entries = [_entry(AgentDescriptor(name, capabilities=offered)) for name in names]

    def agents(self) -> Sequence[Entry]:
        """All of them."""
        self.looks += 1
        return self.entries


def _entry(descriptor: AgentDescriptor, *, enabled: bool = True, revision: int = 1) -> Entry:
    known = RegisteredAgent(descriptor, f"id-{descriptor.name}", "person:dev", enabled, THEN, THEN, THEN, revision)
    return cast("Entry", SimpleNamespace(name=descriptor.name, agent=known, instances=()))


def caller(principal: Principal) -> Caller:
    """Whom the layers have found."""
    return Caller({}, principal=principal, chain=(principal,))


@asynccontextmanager
async def deciding(*permissions: str) -> AsyncIterator[Decisions]:
    """Ann has these, root all."""
    grants = MemoryGrants()
    for permission in permissions:
        await grants.give(NewGrant(str(ROOT), str(ANN), permission))
    async with Following.grants_of(grants) as following:
        yield Decisions(following, Uses(grants), frozenset((ROOT,)))


async def names(catalogue: Catalogue, who: Principal) -> list[str]:
    """The tools on somebody's first page."""
    page, _ = await catalogue.page(caller(who), "")
    return [tool["name"] for tool in json.loads(page)]


async def test_everybody_sees_what_it_may() -> None:
    """By grants, also of the node's own tools; disabled agents nobody."""
    agents = Agents("a", "b")
    agents.entries.append(_entry(AgentDescriptor("off", capabilities=(AgentCapability("do-0"),)), enabled=False))
    async with deciding("agent:b:invoke") as decisions:
        catalogue = Catalogue(agents, decisions, [OWN])
        assert await names(catalogue, ROOT) == ["a__do-0", "b__do-0", "mesh_list_agents"]
        assert await names(catalogue, ANN) == ["b__do-0"]
        assert await names(catalogue, Principal("person", "bob")) == []


async def test_a_list_is_kept_until_the_directory_changes() -> None:
    """Then it is as the directory has it."""
    agents = Agents("a")
    async with deciding() as decisions:
        catalogue = Catalogue(agents, decisions, [])
        assert await names(catalogue, ROOT) == await names(catalogue, ROOT) == ["a__do-0"]
        assert agents.looks == 1
        other = AgentDescriptor("a", capabilities=(AgentCapability("sing"),))
        agents.entries, agents.revision = [_entry(other, revision=2)], 2
        assert await names(catalogue, ROOT) == ["a__sing"]


async def test_many_tools_come_in_pages() -> None:
    """In the order of their names, each once; a cursor that is none is refused."""
    agents = Agents("a", "b", "c", many=500)
    async with deciding() as decisions:
        catalogue, seen, cursor = Catalogue(agents, decisions, []), list[str](), ""
        while True:
            page, cursor = await catalogue.page(caller(ROOT), cursor)
            found = [tool["name"] for tool in json.loads(page)]
            assert len(found) <= PAGE
            seen += found
            if not cursor:
                break
        assert seen == sorted(seen)
        assert len({*seen}) == len(seen) == 1500
        with pytest.raises(PageTokenInvalid):
            await catalogue.page(caller(ROOT), "nonsense")


async def test_names_are_read_back() -> None:
    """Long ones, too, while there is such a capability."""
    long = AgentDescriptor("a" * 60, capabilities=(AgentCapability("b" * 60),))
    agents = Agents("a")
    agents.entries.append(_entry(long))
    async with deciding() as decisions:
        catalogue = Catalogue(agents, decisions, [])
        assert catalogue.meant("a__do-0") == ("a", "do-0")
        (hashed,) = [name for name in await names(catalogue, ROOT) if name != "a__do-0"]
        assert len(hashed) <= 64
        assert catalogue.meant(hashed) == (long.name, "b" * 60)
        agents.entries, agents.revision = agents.entries[:1], 2
        assert catalogue.meant(hashed) is None
        assert catalogue.meant("nothing") is None


async def test_scopes_of_a_key_narrow_what_is_seen() -> None:
    """Whatever its principal may."""
    async with deciding() as decisions:
        catalogue = Catalogue(Agents("a", "b"), decisions, [OWN])
        scoped = replace(caller(ROOT), scopes=(("agent:a:invoke",),))
        page, _ = await catalogue.page(scoped, "")
        assert [tool["name"] for tool in json.loads(page)] == ["a__do-0"]
