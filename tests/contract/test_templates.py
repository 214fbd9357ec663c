"""What every store of workflow templates promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from a2a_node.model.errors import StoreUnavailable, TemplateNotFound, VersionConflict
from a2a_node.model.workflow_ports import Templates
from a2a_node.model.workflows import AgentCall, Template, TemplateInput, TemplateStep
from a2a_node.store.postgres import connected
from a2a_node.store.templates import PostgresTemplates
from a2a_node.testing import MemoryTemplates
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

Lose = Callable[[], None]
INPUTS = (
    TemplateInput("path", "Where.", {"type": "string"}),
    TemplateInput("more", required=False, default={"n": [1, None, 2.5, "ä"]}),
)
RELEASE = Template(
    "release",
    "Ships it.",
    ("ci", "prod"),
    INPUTS,
    (TemplateStep("a", AgentCall("git")),),
    {"url": "x"},
    90.5,
    "0 3 * * *",
    4,
)


@asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[tuple[Templates, Lose]]:
    """Templates, and how their store is lost."""
    if url is None:
        twin = MemoryTemplates()
        yield twin, twin.lose
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:
        yield PostgresTemplates(postgres), line.cut


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[tuple[Templates, Lose]]:
    """Nothing was put yet."""
    async with opened(registry_url) as templates:
        yield templates


@pytest.fixture
def templates(house: tuple[Templates, Lose]) -> Templates:
    """The store itself."""
    return house[0]


def named(name: str, *tags: str) -> Template:
    """A template of that name."""
    return Template(name, tags=tags)


async def test_a_version_is_kept_as_it_was_put(templates: Templates) -> None:
    """By whom and when, with its source; of the template what lists say."""
    put = await templates.put(RELEASE, "name: release", "person:ann")
    assert (put.version, put.created_by, put.source) == (1, "person:ann", "name: release")
    kept = Template("release", "Ships it.", ("ci", "prod"), INPUTS, (), {}, 90.5, "0 3 * * *", 4)
    assert put.template == kept
    assert await templates.get("release") == put
    assert await templates.get("release", 1) == put


async def test_versions_count_and_stay(templates: Templates) -> None:
    """The newest is what is meant where no version is said; the same source again is no new one."""
    unscheduled = replace(RELEASE, schedule="")
    first = await templates.put(unscheduled, "one", "person:ann")
    second = await templates.put(unscheduled, "two", "person:bob")
    assert (second.version, (await templates.get("release")).source) == (2, "two")
    assert await templates.put(unscheduled, "two", "person:cleo") == second
    assert await templates.get("release", 1) == first
    assert (await templates.put(RELEASE, "one", "person:ann")).version == 3


async def test_a_schedule_is_by_the_authority_of_who_put_it(templates: Templates) -> None:
    """The same source by another one, or by another authority, is another version; by the same it is none."""
    puts = [("person:ann", b"a"), ("person:ann", b"a"), ("person:bob", b"a"), ("person:bob", b"b")]
    versions = [await templates.put(RELEASE, "one", by, None, authority) for by, authority in puts]
    assert [version.version for version in versions] == [1, 1, 2, 3]


async def test_who_expects_another_version_is_told(templates: Templates) -> None:
    """Zero is that of a template that is new."""
    await templates.put(RELEASE, "one", "person:ann", 0)
    for expected in (0, 2):
        with pytest.raises(VersionConflict, match="1 is there"):
            await templates.put(RELEASE, "two", "person:ann", expected)
    assert (await templates.put(RELEASE, "two", "person:ann", 1)).version == 2


async def test_what_was_never_put_is_not_found(templates: Templates) -> None:
    """Nor is a version that there is not."""
    await templates.put(RELEASE, "one", "person:ann")
    for name, version in (("nobody", 0), ("release", 2)):
        with pytest.raises(TemplateNotFound):
            await templates.get(name, version)


async def test_the_newest_of_each_are_listed_by_name(templates: Templates) -> None:
    """Page by page, without their sources; a tag is looked for in the newest version alone."""
    for template, source in (
        (named("b", "old"), "b1"),
        (named("a", "new"), "a1"),
        (named("b", "new"), "b2"),
        (named("c"), "c1"),
    ):
        await templates.put(template, source, "person:ann")

    async def listed(tag: str = "", after: str = "", limit: int = 10) -> list[tuple[str, int, str]]:
        found = await templates.newest(tag, after, limit)
        return [(one.template.name, one.version, one.source) for one in found]

    assert await listed() == [("a", 1, ""), ("b", 2, ""), ("c", 1, "")]
    assert await listed(limit=2) == [("a", 1, ""), ("b", 2, "")]
    assert await listed(after="b") == [("c", 1, "")]
    assert await listed(tag="new") == [("a", 1, ""), ("b", 2, "")]
    assert await listed(tag="old") == []


async def test_the_versions_of_one_are_listed_the_newest_first(templates: Templates) -> None:
    """Page by page, without their sources."""
    for source in ("one", "two", "three"):
        await templates.put(RELEASE, source, "person:ann")
    await templates.put(named("other"), "other", "person:ann")
    assert [(one.version, one.source) for one in await templates.versions("release", 0, 2)] == [(3, ""), (2, "")]
    assert [one.version for one in await templates.versions("release", 2, 2)] == [1]
    assert await templates.versions("nobody", 0, 10) == []


async def test_versions_put_at_the_same_time_all_count(templates: Templates) -> None:
    """Each has a number of its own."""
    put = await asyncio.gather(*(templates.put(RELEASE, f"source {place}", "person:ann") for place in range(8)))
    assert sorted(one.version for one in put) == list(range(1, 9))


async def test_without_postgres_everything_fails_in_one_word(house: tuple[Templates, Lose]) -> None:
    """Within about a second, changes and questions alike."""
    templates, lose = house
    lose()
    for asked in (
        templates.put(RELEASE, "one", "person:ann"),
        templates.get("release"),
        templates.newest("", "", 10),
        templates.versions("release", 0, 10),
    ):
        with pytest.raises(StoreUnavailable):
            await asked
