"""What is pinned: the lines of requirements files, and the distributions of an environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Place, Skipped, shortened

MOST_BYTES, MOST_FILES, MOST_PINS = 4 * 2**20, 50, 10_000
FIELD = "input.requirements"
COMMENT = re.compile(r"(^|\s)#.*$")
INCLUDES = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)(\S+)")
OPTIONS = re.compile(r"\s--?[a-z].*$")  # such as --hash, behind a requirement


@dataclass(frozen=True, slots=True)
class Pin:
    """A distribution in one version, and where that is said."""

    name: str  # canonical
    version: Version
    place: Place


@dataclass(slots=True)
class Pins:
    """What was read, and what could not be used."""

    root: Path  # the folder from which places are told, and which includes must not leave
    found: list[Pin] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    _files: set[Path] = field(default_factory=set)

    def read(self, file: Path) -> None:
        """Read a requirements file and those that it includes; InvalidInput."""
        file = file.resolve()
        if file in self._files:
            return
        self._files.add(file)
        path = self._told(file)
        if len(self._files) > MOST_FILES:
            raise InvalidInput(FIELD, f"includes more than {MOST_FILES} files")
        if not file.is_file():
            raise InvalidInput(FIELD, f"{path} is not there")
        if file.stat().st_size > MOST_BYTES:
            raise InvalidInput(FIELD, f"{path} has more than {MOST_BYTES:,} bytes, which is no list of requirements")
        for number, line in _lines(file.read_text(encoding="utf-8", errors="replace")):
            self._line(line, file, Place(path=path, line=number))

    def _line(self, line: str, file: Path, place: Place) -> None:
        if include := INCLUDES.fullmatch(line):
            self.read(file.parent / include[1])
        elif not line.startswith("-"):
            self._requirement(OPTIONS.sub("", line), place)
        elif line.startswith(("-e", "--editable")):
            self.skip(place, "is editable: it has no version")

    def _requirement(self, text: str, place: Place) -> None:
        try:
            said = Requirement(text)
        except InvalidRequirement:
            self.skip(place, f"{shortened(text, 80)!r} is no requirement by PEP 508")
            return
        version = _pinned(said)
        if version is None:
            self.skip(place, f"{said.name} is not pinned to one version with '=='")
        else:
            self.add(Pin(canonicalize_name(said.name), version, place))

    def add(self, pin: Pin) -> None:
        """Take a pin in; InvalidInput when there are too many."""
        if len(self.found) >= MOST_PINS:
            raise InvalidInput(FIELD, f"pins more than {MOST_PINS:,} distributions")
        self.found.append(pin)

    def skip(self, place: Place, why: str) -> None:
        """Note what cannot be used."""
        self.skipped.append(Skipped(path=f"{place.path}:{place.line}" if place.line else place.path, why=why))

    def _told(self, file: Path) -> str:
        if not file.is_relative_to(self.root):
            raise InvalidInput(FIELD, f"includes {file.name!r}, which is outside of the workspace")
        return file.relative_to(self.root).as_posix()


def installed(folder: Path | None) -> Sequence[Distribution]:
    """The distributions in a folder of packages, or in the environment of this node where it is None."""
    found = distributions(path=[str(folder)]) if folder else distributions()
    named = {canonicalize_name(one.metadata["Name"]): one for one in found if one.metadata and one.metadata["Name"]}
    return [named[name] for name in sorted(named)]


def pin_installed(pins: Pins, folder: Path | None) -> None:
    """Pin what is installed, each in the version that it has."""
    for one in installed(folder):
        name = canonicalize_name(one.metadata["Name"])
        place = Place(path=name, kind="distribution")
        try:
            pins.add(Pin(name, Version(one.version), place))
        except InvalidVersion:
            pins.skip(place, f"has {shortened(one.version, 80)!r}, which is no version by PEP 440")


def _pinned(said: Requirement) -> Version | None:
    pins = [one.version for one in said.specifier if one.operator in ("==", "===") and not one.version.endswith(".*")]
    try:
        return Version(pins[0]) if len(pins) == 1 else None
    except InvalidVersion:
        return None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with what they are continued by, each with the number that it begins at; no comments, none empty."""
    held, begin = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        begin = begin or number
        line = COMMENT.sub("", raw).rstrip()
        held += line.removesuffix("\\")
        if not line.endswith("\\"):
            if held.strip():
                yield begin, held.strip()
            held, begin = "", 0
    if held.strip():
        yield begin, held.strip()
