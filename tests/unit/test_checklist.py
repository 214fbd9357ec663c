"""The deployment checklist and the doctor: neither knows an item that the other does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from a2a_node.cli.checks.production import ITEMS
from tests.unit.named_commands import check, named

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/PRODUCTION_DEPLOYMENT_CHECKLIST.md").read_text()
PARTS = [part.split("\n## ")[0] for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]]
SECTIONS = {part.split("\n", 1)[0]: part for part in PARTS}
LEAST = 50


def test_each_item_of_the_doctor_has_its_section_and_each_section_of_the_doctor_its_item() -> None:
    """In the same order, so that findings and sections are read side by side."""
    assert [name for name, section in SECTIONS.items() if "\n*doctor* · " in section] == list(ITEMS)


def test_there_are_at_least_fifty_items_and_each_is_there_once() -> None:
    """And a name leads to its section."""
    assert len(SECTIONS) == len(PARTS) >= LEAST
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_an_item_says_what_it_is_about_and_which_command_checks_it(name: str) -> None:
    """In two paragraphs."""
    _, about, command = SECTIONS[name].strip().split("\n\n")
    assert about.endswith((".", ")"))
    assert re.fullmatch(r"Check: `[^`]+`", command)


@pytest.mark.parametrize("line", named(PAGE))
def test_commands_of_ours_exist(line: str) -> None:
    """With all their options."""
    check(line)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", PAGE))))
def test_targets_of_make_exist(target: str) -> None:
    """Those that the page names."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
