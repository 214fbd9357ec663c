"""Fields of an object in a source: each is read as what it should be, and what it is not is a problem at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import cast

from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import checked_name
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.source import Path

ID = re.compile(r"[a-z][a-z0-9_]{0,62}")  # what expressions say after a dot
TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
RESERVED = frozenset(  # by CEL
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("package", "namespace", "null", "return", "true", "var", "void", "while"),
    )
)
SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
MOST_NAMES = 1_000


class Fields:
    """The fields of an object at a path; one that is absent, or wrong, reads as nothing."""

    def __init__(self, value: object, path: Path, problems: Problems) -> None:
        self.path, self.problems = path, problems
        self._asked: set[str] = set()
        if not isinstance(value, Mapping):
            self.wrong((), "must be an object with keys and values")
        self._values = cast("Mapping[str, object]", value if isinstance(value, Mapping) else {})

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def keys(self) -> list[str]:
        """The names of all fields, in the order of the source."""
        return list(self._values)

    def wrong(self, inner: Path, message: str, rule: str = "bad-value") -> None:
        """Tell that something in the object is wrong."""
        label = ".".join(str(part) for part in (*self.path, *inner)) or "the template"
        self.problems.error((*self.path, *inner), rule, f"{label} {message}")

    def value(self, name: str) -> object:
        """Whatever it is."""
        self._asked.add(name)
        return self._values.get(name)

    def text(self, name: str, limit: int, *, required: bool = False) -> str:
        """A text of at most `limit` characters."""
        value = self.value(name)
        if required and (name not in self._values or value == ""):
            self.wrong((name,) if name in self._values else (), f"needs {name!r}", "missing-key")
            return ""
        if value is None and name not in self._values:
            return ""
        if not isinstance(value, str):
            self.wrong((name,), "must be a text" + ("; put it in quotes" if value is not None else ""))
            return ""
        if len(value) > limit:
            self.wrong((name,), f"has {len(value):,} characters, the limit is {limit:,}")
        return value[:limit]

    def name(self, name: str) -> str:
        """The name of an agent, a capability or a tag."""
        text = self.text(name, 255)
        return text if not text or self._named((name,), text) else ""

    def names(self, name: str, most: int = MOST_NAMES) -> tuple[str, ...]:
        """A list of texts, each once; one alone may stand without a list."""
        value = self.value(name)
        if isinstance(value, str):
            return (value,)
        if value is None and name not in self._values:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.wrong((name,), "must be a list of texts")
            return ()
        for place, one in enumerate(value):
            if one in value[:place]:
                self.wrong((name, place), f"is {one[:80]!r}, which is there twice")
        if len(value) > most:
            self.wrong((name,), f"has {len(value):,} entries, the limit is {most:,}")
        return tuple(dict.fromkeys(value[:most]))

    def tags(self, name: str, most: int) -> tuple[str, ...]:
        """A list of names."""
        found = self.names(name, most)
        return tuple(tag for place, tag in enumerate(found) if self._named((name, place), tag))

    def whole(self, name: str, least: int, most: int, absent: int) -> int:
        """A whole number from `least` to `most`."""
        value = self.value(name)
        if name not in self._values:
            return absent
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong((name,), f"must be a whole number from {least:,} to {most:,}")
            return absent
        return value

    def span(self, name: str, least: float, most: float, absent: float) -> float:
        """A span such as `90s`, `5m` or `1.5h`, in seconds from `least` to `most`."""
        value = self.value(name)
        if name not in self._values:
            return absent
        found = SPAN.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            self.wrong((name,), "must be a span such as 500ms, 90s, 5m, 1.5h or 2d")
            return absent
        seconds = round(float(found[1]) * SECONDS[found[2]], 9)
        if not least <= seconds <= most:
            self.wrong((name,), f"is {seconds:g} s, and must be from {least:g} s to {most:g} s")
            return absent
        return seconds

    def object(self, name: str) -> Mapping[str, object]:
        """An object, whatever is in it."""
        value = self.value(name)
        if name not in self._values:
            return {}
        if not isinstance(value, dict):
            self.wrong((name,), "must be an object with keys and values")
            return {}
        return value

    def inner(self, name: str) -> Fields:
        """The fields of an object in it."""
        return Fields(self.value(name), (*self.path, name), self.problems)

    def done(self) -> None:
        """Tell of keys that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                near = get_close_matches(key, self._asked, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it can have {', '.join(sorted(self._asked))}"
                self.wrong((key,), f"is no key that is known here; {hint}", "unknown-key")

    def _named(self, inner: Path, text: str) -> bool:
        try:
            checked_name("name", text)
        except InvalidInput as error:
            self.wrong(inner, f"is no name: {error.variables['problem']}", "bad-name")
            return False
        return True


def written_span(seconds: float) -> str:
    """The text of a span, which reads as the same number again."""
    return f"{f'{seconds:.9f}'.rstrip('0').rstrip('.')}s"
