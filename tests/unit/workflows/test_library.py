"""The library: what is put was looked at, with all that is known of the mesh."""

from __future__ import annotations

import pytest

from a2a_node.model.errors import InvalidInput, TemplateInvalid, TemplateNotFound, VersionConflict
from a2a_node.testing import MemoryTemplates
from a2a_node.workflows.library import Library
from tests.unit.workflows.samples import RELEASE, Agents, agent, of_steps, read


@pytest.fixture
def store() -> MemoryTemplates:
    """Nothing was put yet."""
    return MemoryTemplates()


@pytest.fixture
def library(store: MemoryTemplates) -> Library:
    """A library in a mesh with one agent."""
    return Library(store, Agents(agent("builder", {"type": "object", "required": ["path"]})))


def named(name: str, steps: str) -> str:
    """A source of that name."""
    return of_steps(steps).replace("name: t", f"name: {name}", 1)


async def test_what_was_put_is_found_whole(library: Library) -> None:
    """With its source as it was written, and where its steps begin; warnings do not keep it out."""
    put, found = await library.put(RELEASE, "person:ann", 0)
    assert (put.version, put.created_by, put.source, put.template) == (1, "person:ann", RELEASE, read(RELEASE))
    assert {problem.rule for problem in found.problems} == {"unknown-agent", "unknown-template"}
    again, where = await library.get("release")
    assert again == put
    assert where.lines == {"fetch": 11, "lint": 18, "build": 26, "gate": 30, "ship": 35, "unship": 40}
    with pytest.raises(VersionConflict):
        await library.put(RELEASE + "# changed\n", "person:ann", 0)


async def test_a_source_with_errors_is_not_put(library: Library) -> None:
    """Each error is told with its place, of many of them some; agents of the mesh are asked what they take."""
    with pytest.raises(TemplateInvalid, match="3:23: step 'a': input does not fit") as refused:
        await library.put(of_steps("a: {agent: builder, input: {}}"), "person:ann")
    assert [place for place, _ in refused.value.violations] == ["3:23"]
    with pytest.raises(TemplateInvalid, match="and 29 more") as many:
        await library.put(of_steps("\n".join(f"s{place}: {{}}" for place in range(30))), "person:ann")
    assert len(many.value.violations) == 10
    with pytest.raises(TemplateNotFound):
        await library.get("t")


async def test_templates_of_the_store_are_known_to_each_other(library: Library) -> None:
    """Through any number of them: the last one that closes a circle is refused."""
    for name, other in (("a", "b"), ("b", "c")):
        await library.put(named(name, f"s: {{workflow: {other}}}"), "person:ann")
    with pytest.raises(TemplateInvalid, match="c -> a -> b -> c"):
        await library.put(named("c", "s: {workflow: a}"), "person:ann")


async def test_a_circle_is_refused_however_large_it_is(library: Library) -> None:
    """Forty templates, each put before the one that it runs: whoever puts the last one hears of the whole circle."""
    for at in range(39):
        await library.put(named(f"t{at}", f"s: {{workflow: t{at + 1}}}"), "person:ann")
    with pytest.raises(TemplateInvalid, match=r"3:17: .* in a circle: t39 -> t0 -> .* -> t38 -> t39"):
        await library.put(named("t39", "s: {workflow: t0}"), "person:ann")
    with pytest.raises(TemplateNotFound):
        await library.get("t39")


async def test_inputs_that_make_a_run_too_large_are_refused(library: Library) -> None:
    """As it is started, with the steps of sub-workflows counted; a few less are not."""
    await library.put(named("five", "\n".join(f"s{at}: {{agent: x}}" for at in range(5))), "person:ann")
    head, step = "inputs: {l: {type: array}}\n", "each: {workflow: five, foreach: inputs.l}"
    await library.put(of_steps(step, head), "person:ann")
    with pytest.raises(InvalidInput, match=r"inputs: a run grows to 5,004 steps.*the limit is 5,000"):
        await library.start("t", 0, {"l": list(range(834))})
    _, given = await library.start("t", 0, {"l": list(range(833))})
    assert given == {"l": list(range(833))}


async def test_a_source_that_can_no_longer_be_read_is_still_given_out(library: Library, store: MemoryTemplates) -> None:
    """As it is, with what lists say of it."""
    await store.put(read(RELEASE), "name: [", "person:ann")
    version, found = await library.get("release")
    assert (version.source, version.template.description) == ("name: [", "Builds and ships.")
    assert [problem.rule for problem in found.problems] == ["unreadable"]


async def test_versions_of_what_there_is_not_are_not_found(library: Library) -> None:
    """Where nothing was put the list of all is empty, and that of one a mistake."""
    assert await library.list("", "", 10) == []
    with pytest.raises(TemplateNotFound):
        await library.versions("nobody", 0, 10)
