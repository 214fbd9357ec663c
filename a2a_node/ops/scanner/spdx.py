"""Licences as metadata says them, read as SPDX expressions, and whether a policy lets one in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import Distribution

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

TOKEN = re.compile(r"\(|\)|[^\s()]+")
LONGEST = 500  # characters of an expression
DEEPEST = 20  # brackets in brackets
CLASSIFIERS: Mapping[str, str] = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
}
NAMES: Mapping[str, str] = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "mpl 2.0": "MPL-2.0",
    "gplv3": "GPL-3.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "psf": "PSF-2.0",
}


def licence_of(distribution: Distribution) -> str:
    """The SPDX expression of a distribution; empty where its metadata says none that is known."""
    said = _first(distribution, "License-Expression")
    classifiers = [
        CLASSIFIERS[name]
        for line in distribution.metadata.get_all("Classifier") or ()
        if line.startswith("License ::") and (name := line.rpartition(" :: ")[2]) in CLASSIFIERS
    ]
    short = _first(distribution, "License").strip()
    return _canonical(said) or " OR ".join(dict.fromkeys(classifiers)) or _canonical(NAMES.get(short.lower(), short))


def _first(distribution: Distribution, name: str) -> str:
    return str(next(iter(distribution.metadata.get_all(name) or ()), ""))


def _canonical(text: str) -> str:
    if not text or len(text) > LONGEST or "\n" in text:
        return ""
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return ""


def satisfied(expression: str, allowed: Callable[[str], bool]) -> bool:
    """Whether one may choose among the licences of an expression so that all that must hold are allowed."""
    return _Reading(TOKEN.findall(expression), allowed).either(0)


class _Reading:
    """`A OR B` needs one, `A AND B` both; an exception (`WITH`) only gives more freedom and is passed over."""

    def __init__(self, tokens: Sequence[str], allowed: Callable[[str], bool]) -> None:
        self._tokens, self._allowed = list(tokens), allowed

    def either(self, depth: int) -> bool:
        """A chain of `OR`."""
        met = self._both(depth)
        while self._took("OR"):
            met = self._both(depth) or met
        return met

    def _both(self, depth: int) -> bool:
        met = self._one(depth)
        while self._took("AND"):
            met = self._one(depth) and met
        return met

    def _one(self, depth: int) -> bool:
        if self._took("(") and depth < DEEPEST:
            met = self.either(depth + 1)
            self._took(")")
            return met
        met = self._allowed(self._tokens.pop(0)) if self._tokens else False
        if self._took("WITH") and self._tokens:
            self._tokens.pop(0)
        return met

    def _took(self, word: str) -> bool:
        if self._tokens and self._tokens[0].upper() == word:
            self._tokens.pop(0)
            return True
        return False
