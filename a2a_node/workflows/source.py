"""Sources of templates: YAML or JSON to values, with the line and column of everything.

A subset of YAML 1.2 in which a text means one thing: no tags, no anchors and no aliases (which could grow without
end), no key twice, `yes` and `on` are texts. JSON is part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

import yaml

from a2a_node.model.workflows import SOURCE_BYTES

MOST_VALUES, MOST_DEPTH = 20_000, 32
EXACT = 2**53  # the largest whole number that every reader of JSON has the same
WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
PAIRS = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)")  # how JSON writes rare characters

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, from 1; `width` is 1 where each character of a text is one of the source, else 0."""

    line: int
    column: int
    width: int = 0

    def after(self, characters: int) -> Place:
        """The place so many characters further on, where that can be said."""
        return Place(self.line, self.column + self.width * characters)


TOP = Place(1, 1)


class SourceInvalid(Exception):
    """What cannot be read at all, with the place where reading ended."""

    def __init__(self, message: str, place: Place = TOP) -> None:
        super().__init__(message)
        self.message, self.place = message, place


@dataclass(slots=True)
class Source:
    """The value of a source, and where its parts stand by their paths; what was wrong on the way."""

    value: object = None
    places: dict[Path, Place] = field(default_factory=dict)
    faults: list[tuple[Place, str]] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Where a part stands, or what it would stand in."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, TOP)


def read_source(text: str) -> Source:
    """The value of a source; SourceInvalid when it is too large, or neither YAML nor JSON."""
    size = len(text.encode(errors="surrogatepass"))
    if size > SOURCE_BYTES:
        raise SourceInvalid(f"has {size:,} bytes, the limit is {SOURCE_BYTES:,}")
    if text.lstrip().startswith("{"):
        text = PAIRS.sub(_unpaired, text)
    source = Source()
    try:
        source.value = _Reading(text, source).whole()
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError, UnicodeEncodeError) as error:
        raise _unreadable(error, text) from None
    return source


class _Reading:
    """The way through the events of a parser."""

    def __init__(self, text: str, source: Source) -> None:
        self._text = text
        self._lines = text.splitlines()
        self._source = source
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
        self._values = 0

    def whole(self) -> object:
        """The one document of the source."""
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise SourceInvalid("is empty")
        value = self._value(next(self._events), ())
        next(self._events)  # the document ends
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise SourceInvalid("has a second document; a source is one template", _place(more))
        return value

    def _value(self, event: yaml.Event, path: Path) -> object:
        place = _place(event)
        self._values += 1
        if self._values > MOST_VALUES:
            raise SourceInvalid(f"has more than {MOST_VALUES:,} values", place)
        if len(path) > MOST_DEPTH:
            raise SourceInvalid(f"is nested more than {MOST_DEPTH} deep", place)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SourceInvalid("anchors and aliases are not read; write it out", place)
        if tag := getattr(event, "tag", None):
            raise SourceInvalid(f"the tag {tag!r} is not read; leave it out", place)
        self._source.places.setdefault(path, place)  # a key stands there already
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        return self._scalar(event, path) if isinstance(event, yaml.ScalarEvent) else self._list(path)

    def _mapping(self, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = _place(event)
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                raise SourceInvalid("a key must be a text", place)
            if event.value in found:
                self._source.faults.append((place, f"{event.value[:80]!r} is there twice"))
            inner = (*path, _kept(str(event.value), place))
            self._source.places[inner] = place
            found[event.value] = self._value(next(self._events), inner)
        return found

    def _list(self, path: Path) -> list[object]:
        found: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found))))
        return found

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        text, place = _kept(str(event.value), _place(event)), _place(event)
        self._source.places[path] = self._exact(text, place)
        if event.implicit[0]:  # without quotes
            value = _plain(text)
            if isinstance(value, float) and not isfinite(value):
                self._source.faults.append((place, f"{text[:80]} is larger than any number of JSON"))
            elif isinstance(value, int) and abs(value) > EXACT:
                self._source.faults.append((place, f"{text[:80]} is more than JSON carries exactly; put it in quotes"))
            return value
        return text

    def _exact(self, text: str, place: Place) -> Place:
        """The place of a text's first character, where the text stands in one line of the source as it is."""
        line = self._lines[place.line - 1] if place.line <= len(self._lines) else ""
        for shift in (0, 1):
            if text and line.startswith(text, place.column - 1 + shift):
                return Place(place.line, place.column + shift, 1)
        return place


def _kept(text: str, place: Place) -> str:
    """The text itself; SourceInvalid for what Postgres keeps not."""
    if "\x00" in text:
        raise SourceInvalid("holds the character U+0000, which cannot be kept", place)
    return text


def _plain(text: str) -> object:
    if text in WORDS:
        return WORDS[text]
    if WHOLE.fullmatch(text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else text


def _unpaired(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else TOP


def _unreadable(error: Exception, text: str) -> SourceInvalid:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else TOP
        said = " ".join(filter(None, (error.context, error.problem)))
        return SourceInvalid(f"is neither YAML nor JSON: {said}", place)
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position] if isinstance(error.position, int) else ""
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return SourceInvalid("is neither YAML nor JSON: it has a character that YAML does not allow", place)
    return SourceInvalid("is no text in UTF-8")
