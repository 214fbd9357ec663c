"""Wheels: what they say of themselves, what they need, and how they are unpacked."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from email.parser import BytesParser
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from a2a_node.agent import AgentRefused

MOST_UNPACKED = 512 * 1024 * 1024  # bytes
MOST_FILES = 20_000
MOST_METADATA = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wheel:
    """What a wheel says of itself."""

    name: str
    version: str
    requires: tuple[str, ...]
    sha256: str


def read(path: Path) -> Wheel:
    """A wheel; AgentRefused when it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            place = next(each for each in archive.infolist() if each.filename.endswith(".dist-info/METADATA"))
            if place.file_size > MOST_METADATA:
                raise AgentRefused("the wheel's METADATA is too large", reason="BUILD_FAILED")
            told = BytesParser().parsebytes(archive.read(place))
    except (zipfile.BadZipFile, StopIteration) as error:
        raise AgentRefused(f"{path.name} is no wheel", reason="BUILD_FAILED") from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Wheel(str(told["Name"]), str(told["Version"]), tuple(map(str, told.get_all("Requires-Dist", []))), digest)


def unpack(path: Path, folder: Path) -> None:
    """Unpack a wheel; AgentRefused for one that would fill the disk or has names that lead out."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES or sum(each.file_size for each in entries) > MOST_UNPACKED:
            raise AgentRefused(f"the wheel unpacks to more than {MOST_UNPACKED:,} bytes", reason="BUILD_FAILED")
        for entry in entries:
            if not (folder / entry.filename).resolve().is_relative_to(folder):
                raise AgentRefused(f"the wheel has a name that leads out: {entry.filename}", reason="BUILD_FAILED")
        archive.extractall(folder)


def pins(requires: tuple[str, ...]) -> str:
    """A requirements file of all that is needed, directly or not, at the versions that the tests ran with.

    What is not installed here stays as it was required: nobody knows its version.
    """
    waiting, found = list(requires), dict[str, str]()
    while waiting:
        requirement = _read(waiting.pop())
        if requirement is None or requirement.name in found:
            continue
        try:
            installed = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            found[requirement.name] = f"{requirement.name}{requirement.specifier}"
            continue
        found[requirement.name] = f"{requirement.name}=={installed.version}"
        waiting += installed.requires or []
    return "".join(f"{line}\n" for _, line in sorted(found.items()))


def _read(text: str) -> Requirement | None:
    """A requirement that counts here; None for extras and other systems."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    fits = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return requirement if fits else None
