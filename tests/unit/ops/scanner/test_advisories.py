"""Advisories: their form, and which versions they are about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.version import Version

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.scanner.advisories import read_advisories
from a2a_node.ops.scanner.advisory import Advisory
from a2a_node.ops.scanner.cvss import base_score, severity_of

NO_VERSION = json.dumps(
    {
        "id": "A",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "p"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "one"}]}],
            }
        ],
    }
)


def advisory(folder: Path, *events: dict[str, str], **more: object) -> Advisory:
    """An advisory about `pkg` with those events, written and read."""
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Pkg"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
    }
    file = folder / "a.json"
    file.write_text(json.dumps({"id": "A-1", "affected": [affected], **more}))
    return read_advisories(file)["pkg"][0]


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("0.9", False),
        ("1.0.dev1", False),
        ("1.0rc1", False),
        ("1.0", True),
        ("1.9.post1", True),
        ("1.10", True),
        ("2.0a1", True),
        ("2.0", False),
        ("2.0+local.1", False),
        ("2.5", False),
        ("3.0", True),
        ("3.1", True),
        ("3.1.post1", False),
        ("1!0.1", False),
    ],
)
def test_ranges_are_read_in_the_order_of_pep_440(tmp_path: Path, version: str, affected: bool) -> None:  # noqa: FBT001
    """Before a release come its development and pre-releases, and 1.10 after 1.9; events may stand in any order."""
    events = ({"fixed": "2.0"}, {"introduced": "3.0"}, {"introduced": "1.0"}, {"last_affected": "3.1"})
    assert advisory(tmp_path, *events).affects(Version(version)) is affected


def test_zero_is_before_every_version(tmp_path: Path) -> None:
    """Also before a development release of 0."""
    assert advisory(tmp_path, {"introduced": "0"}, {"fixed": "1"}).affects(Version("0.dev0"))


def test_a_range_may_be_limited(tmp_path: Path) -> None:
    """From the limit on it says nothing."""
    found = advisory(tmp_path, {"introduced": "1"}, {"limit": "2"})
    assert [found.affects(Version(each)) for each in ("1.5", "2", "3")] == [True, False, False]


def test_the_fix_is_the_first_later_version_without_it(tmp_path: Path) -> None:
    """A fix of an earlier line does not help."""
    found = advisory(tmp_path, {"introduced": "1"}, {"fixed": "1.5"}, {"introduced": "2"}, {"fixed": "2.5"})
    assert [found.fixed_in(Version(each)) for each in ("1.2", "2.1", "9")] == ["1.5", "2.5", ""]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{", "no JSON"),
        ("7", "neither an advisory"),
        ('[{"summary": "no id"}]', "no `id`"),
        ('{"id": "A", "affected": 7}', "must be a list"),
        ('{"id": "A", "affected": [7]}', "list of objects"),
        ('{"id": "A", "affected": [{"versions": []}]}', "no `package`"),
        (NO_VERSION, "no version by PEP 440"),
    ],
    ids=["no-json", "number", "no-id", "no-list", "no-objects", "no-package", "no-version"],
)
def test_a_file_that_is_no_advisory_is_refused(tmp_path: Path, source: str, words: str) -> None:
    """With the field, the file, and what is wrong in it."""
    (tmp_path / "a.json").write_text(source)
    with pytest.raises(InvalidInput, match=words) as refused:
        read_advisories(tmp_path / "a.json")
    assert refused.value.variables["field"].startswith("input.advisories")


def test_a_folder_of_files_is_read(tmp_path: Path) -> None:
    """One file each, as the public archives have them, beside other files."""
    for number in (1, 2):
        affected = [{"package": {"ecosystem": "PyPI", "name": "pkg"}, "versions": ["1", "not-a-version"]}]
        (tmp_path / f"A-{number}.json").write_text(json.dumps({"id": f"A-{number}", "affected": affected}))
    (tmp_path / "README").write_text("not JSON")
    assert [one.id for one in read_advisories(tmp_path)["pkg"]] == ["A-1", "A-2"]


@pytest.mark.parametrize(
    ("vector", "score", "word"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, "critical"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, "medium"),
        ("CVSS:3.0/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", 2.5, "low"),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9, "critical"),
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0, "info"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5, "high"),
    ],
)
def test_scores_are_those_of_the_specification(vector: str, score: float, word: str) -> None:
    """Examples whose scores are published."""
    assert base_score(vector) == score
    assert severity_of(score) == word


@pytest.mark.parametrize(
    "vector", ["", "7.5", "CVSS:4.0/AV:N", "CVSS:3.1/AV:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H"]
)
def test_other_ratings_have_no_score(vector: str) -> None:
    """Then the word of the database counts."""
    assert base_score(vector) is None
