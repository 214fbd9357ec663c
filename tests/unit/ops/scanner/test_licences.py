"""Licences: what metadata says, and what a policy lets in."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.ops.scanner.licences import Policy, breaches
from a2a_node.ops.scanner.requirements import Pins, pin_installed
from a2a_node.ops.scanner.spdx import satisfied


def installed(folder: Path, name: str, *lines: str) -> None:
    """Put a distribution with that metadata into a folder of packages."""
    place = folder / f"{name}-1.0.dist-info"
    place.mkdir(parents=True)
    head = ("Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0")
    (place / "METADATA").write_text("\n".join((*head, *lines, "", "")))


def test_licences_are_held_against_the_policy(tmp_path: Path) -> None:
    """In each of the three ways in which metadata says them, and where it says none."""
    site = tmp_path / "site"
    installed(site, "good", "License-Expression: MIT OR GPL-3.0-only")
    installed(site, "denied", "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    installed(site, "other", "License: MPL 2.0")
    installed(site, "silent", "License: see the file")
    pins = Pins(tmp_path)
    pin_installed(pins, site)
    found = {each.place.path: each.rule for each in breaches(pins, site, Policy(("MIT", "BSD-*"), ("GPL-*",)))}
    assert found == {
        "denied": "licence-denied",
        "other": "licence-not-allowed",
        "silent": "licence-unknown",
    }


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only WITH Classpath-exception-2.0 OR MIT", True),
        ("(GPL-3.0-only OR MIT) AND MIT", True),
        ("GPL-3.0-only OR MIT AND GPL-3.0-only", False),
        ("((((MIT))))", True),
        ("(" * 3_000, False),
        ("", False),
    ],
    ids=["one", "denied", "either", "both", "exception", "brackets", "binding", "nested", "deep", "empty"],
)
def test_an_expression_is_met(expression: str, met: bool) -> None:  # noqa: FBT001
    """`AND` binds closer than `OR`; brackets in brackets have an end."""
    assert satisfied(expression, lambda one: one == "MIT") is met
