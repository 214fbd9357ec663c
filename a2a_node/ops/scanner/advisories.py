"""Advisories in OSV form, read from a file or a folder of files.

The form is that of https://ossf.github.io/osv-schema/: one advisory, a list of them, or an object with `vulns`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Severity, shortened
from a2a_node.ops.scanner.advisory import Advisory, Event
from a2a_node.ops.scanner.cvss import base_score, severity_of
from a2a_node.ops.trees import files

MOST_BYTES, MOST_ADVISORIES = 256 * 2**20, 200_000
MOST_OF_ONE = 16 * 2**20  # bytes of one file: reading it holds the interpreter
WORDS: Mapping[str, Severity] = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "CRITICAL": "critical",
}
UNRATED: Severity = "high"  # nobody has said that it is harmless
EVENTS = ("introduced", "fixed", "last_affected", "limit")
FIELD = "input.advisories"
Json = Mapping[str, object]


def read_advisories(place: Path) -> Mapping[str, Sequence[Advisory]]:
    """Advisories about packages of Python by canonical name; InvalidInput says which file is wrong, and how."""
    found: dict[str, list[Advisory]] = defaultdict(list)
    count, size = 0, 0
    for file in files(FIELD, place, MOST_ADVISORIES):
        if place.is_dir() and file.suffix != ".json":
            continue
        size += file.stat().st_size
        if file.stat().st_size > MOST_OF_ONE:
            raise InvalidInput(FIELD, f"{file.name} has more than {MOST_OF_ONE:,} bytes; make several files of it")
        if size > MOST_BYTES:
            raise InvalidInput(FIELD, f"has more than {MOST_BYTES:,} bytes; keep those about PyPI only")
        for number, said in enumerate(_entries(file)):
            count += 1
            if count > MOST_ADVISORIES:
                raise InvalidInput(FIELD, f"has more than {MOST_ADVISORIES:,} advisories; keep those about PyPI only")
            for name, advisory in _advisories(said, f"{FIELD} ({file.name}, advisory {number + 1})"):
                found[name].append(advisory)
    return found


def _entries(file: Path) -> Sequence[object]:
    try:
        said = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InvalidInput(FIELD, f"{file.name} is no JSON: {error}") from None
    if isinstance(said, list):
        return said
    if isinstance(said, dict) and isinstance(vulns := said.get("vulns", [said]), list):
        return vulns
    raise InvalidInput(FIELD, f"{file.name} holds neither an advisory of OSV nor a list of them")


def _advisories(said: object, place: str) -> Iterator[tuple[str, Advisory]]:
    """What an entry says of each package of Python; nothing where it was withdrawn."""
    if not isinstance(said, dict) or not isinstance(said.get("id"), str) or not said["id"]:
        raise InvalidInput(place, "has no `id`; it must be an advisory in OSV form")
    if said.get("withdrawn"):
        return
    for affected in _objects(said, "affected", place):
        package = affected.get("package")
        if not isinstance(package, dict):
            raise InvalidInput(f"{place}.affected", "has no `package` with `ecosystem` and `name`")
        if str(package.get("ecosystem", "")).partition(":")[0] != "PyPI":
            continue
        yield canonicalize_name(str(package.get("name", ""))), _advisory(said, affected, place)


def _advisory(said: Json, affected: Json, place: str) -> Advisory:
    ranges = [each for each in _objects(affected, "ranges", place) if each.get("type") in ("ECOSYSTEM", "SEMVER")]
    return Advisory(
        id=str(said["id"]),
        aliases=tuple(map(str, _list(said, "aliases", place))),
        summary=shortened(str(said.get("summary") or said.get("details") or "no summary"), 300),
        severity=_severity(said, affected, place),
        versions=frozenset(_versions(map(str, _list(affected, "versions", place)))),
        ranges=tuple(_events(_objects(each, "events", place), place) for each in ranges),
    )


def _events(said: Iterable[Json], place: str) -> Sequence[Event]:
    """The events of a range by version: an `introduced` before a `fixed` of the same version."""
    events: list[Event] = []
    for event in said:
        for name in EVENTS:
            if name not in event or (name == "limit" and event[name] == "*"):
                continue
            text = str(event[name])
            try:
                events.append((name, None if text == "0" and name == "introduced" else Version(text)))
            except InvalidVersion:
                raise InvalidInput(
                    f"{place}.ranges.events", f"{name} is {text[:80]!r}, which is no version by PEP 440"
                ) from None
    return sorted(events, key=lambda event: (event[1] is not None, event[1] or Version("0"), EVENTS.index(event[0])))


def _versions(texts: Iterable[str]) -> Iterator[Version]:
    for text in texts:
        try:
            yield Version(text)
        except InvalidVersion:  # of the time before PEP 440: nobody can pin it any more
            continue


def _severity(said: Json, affected: Json, place: str) -> Severity:
    for source in (affected, said):
        for rating in _objects(source, "severity", place):
            score = base_score(str(rating.get("score", "")))
            if score is not None:
                return severity_of(score)
    for source in (affected, said):
        for key in ("database_specific", "ecosystem_specific"):
            more = source.get(key)
            if isinstance(more, dict) and (word := WORDS.get(str(more.get("severity", "")).upper())):
                return word
    return UNRATED


def _list(said: Json, key: str, place: str) -> Sequence[object]:
    found = said.get(key) or []
    if not isinstance(found, list):
        raise InvalidInput(f"{place}.{key}", "must be a list")
    return found


def _objects(said: Json, key: str, place: str) -> Sequence[Json]:
    found = _list(said, key, place)
    if not all(isinstance(each, dict) for each in found):
        raise InvalidInput(f"{place}.{key}", "must be a list of objects")
    return [each for each in found if isinstance(each, dict)]
