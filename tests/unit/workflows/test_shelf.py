"""How the built-in templates get into the library of a mesh."""

from __future__ import annotations

import pytest

from a2a_node.testing.templates import MemoryTemplates
from a2a_node.workflows import shelf
from a2a_node.workflows.library import Library
from a2a_node.workflows.shelf import built_in, shelve
from a2a_node.workflows.validating import validated
from tests.unit.workflows.samples import Agents

FIRST = "name: one\nsteps:\n  a: {agent: echo}\n"
NOBODY = Agents()
SECOND, MINE = f"{FIRST}# newer\n", f"{FIRST}# mine\n"


@pytest.fixture
def store() -> MemoryTemplates:
    """A store without templates."""
    return MemoryTemplates()


async def shelved(store: MemoryTemplates, monkeypatch: pytest.MonkeyPatch, source: str) -> tuple[int, str]:
    """The newest version and who put it, after a node with this template has started."""
    monkeypatch.setattr(shelf, "built_in", lambda: {"one": source})
    await shelve(Library(store, NOBODY), store, "node:n1")
    newest = await store.get("one")
    return newest.version, newest.created_by


async def test_a_template_is_put_once(store: MemoryTemplates, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed one becomes a new version, and an older node that starts again does not bring the old one back."""
    assert await shelved(store, monkeypatch, FIRST) == (1, "node:n1")
    assert await shelved(store, monkeypatch, FIRST) == (1, "node:n1")
    assert await shelved(store, monkeypatch, SECOND) == (2, "node:n1")
    assert await shelved(store, monkeypatch, FIRST) == (2, "node:n1")


async def test_what_somebody_has_put_stays(store: MemoryTemplates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the node came, and after."""
    library = Library(store, NOBODY)
    await library.put(MINE, "person:ada")
    assert await shelved(store, monkeypatch, FIRST) == (1, "person:ada")
    await library.put(SECOND, "person:ada")
    assert await shelved(store, monkeypatch, f"{SECOND}# newest\n") == (2, "person:ada")


async def test_a_wrong_one_keeps_no_others_away(store: MemoryTemplates, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in the log; the node serves."""
    monkeypatch.setattr(shelf, "built_in", lambda: {"bad": "name: bad\n", "one": FIRST})
    await shelve(Library(store, NOBODY), store, "node:n1")
    assert [version.template.name for version in await store.newest("", "", 10)] == ["one"]


def test_all_built_in_templates_are_without_fault() -> None:
    """As `a2a-node workflow lint` finds, and each file has its template's name."""
    for name, source in built_in().items():
        validation = validated(source)
        assert [f"{name}:{problem}" for problem in validation.problems] == []
        assert validation.template is not None
        assert validation.template.name == name
