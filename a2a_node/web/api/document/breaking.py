"""What of a document would break clients of an older one: `python -m a2a_node.web.api.document.breaking OLD NEW`.

Nothing that somebody may send or read goes away or becomes something else, and nothing becomes needed that was not.
What is added does not count.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import yaml

Node = Mapping[str, object]
# Keywords for people, and what may change: an end of use is told, needs are looked at by themselves.
WORDS = ("description", "summary", "example", "tags", "info", "deprecated", "required")
FREE = ("/properties", "/paths", "/schemas", "/responses", "/headers", "/securitySchemes")  # hold names, no keywords
NAMED = ("parameters",)  # lists whose items have names
SETS = ("enum",)  # lists of which nothing goes away
CHOICES = ("oneOf", "anyOf", "allOf")


def breaking(old: object, new: object, place: str = "") -> Iterator[str]:
    """Each break, by its place in the document."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        walk = _of_names if place.endswith(FREE) else _of_keywords
        yield from walk(cast("Node", old), cast("Node", new), place)
    elif old != new:
        yield f"{place}: {old!r} became {new!r}"


def _of_names(old: Node, new: Node, place: str) -> Iterator[str]:
    for name, was in old.items():
        if name in new:
            yield from breaking(was, new[name], f"{place}/{name}")
        else:
            yield f"{place}/{name}: is gone"


def _of_keywords(old: Node, new: Node, place: str) -> Iterator[str]:
    yield from _needed(old, new, place)
    for name, was in old.items():
        at = f"{place}/{name}"
        if name in WORDS:
            continue
        if name not in new:
            yield f"{at}: is gone"
        elif name in NAMED:
            before, now = _by_name(was), _by_name(new[name])
            yield from _of_names(before, now, at)
            yield from (
                f"{at}/{name}: is new and needed" for name, added in now.items() if _is_new(name, added, before)
            )
        elif name in SETS:
            yield from (f"{at}: {value!r} is gone" for value in _items(was) if value not in _items(new[name]))
        elif name in CHOICES:
            yield from _of_names(_by_number(was), _by_number(new[name]), at)
        else:
            yield from breaking(was, new[name], at)


def _needed(old: Node, new: Node, place: str) -> Iterator[str]:
    """What has to be there now and had not."""
    was, now = old.get("required", []), new.get("required", [])
    if isinstance(now, list):
        yield from (f"{place}: {name!r} is needed now" for name in now if name not in _items(was))
    elif now is True and was is not True:
        yield f"{place}: is needed now"


def _is_new(name: str, added: object, old: Node) -> bool:
    return name not in old and isinstance(added, Mapping) and added.get("required") is True


def _by_name(parameters: object) -> Node:
    return {f"{item['in']} {item['name']}": item for item in _items(parameters) if isinstance(item, Mapping)}


def _by_number(several: object) -> Node:
    return {str(number): item for number, item in enumerate(_items(several))}


def _items(several: object) -> Sequence[object]:
    return several if isinstance(several, list) else []


def main(old: str, new: str) -> int:
    """Print the breaks; 1 where there are any."""
    before, after = (yaml.safe_load(Path(file).read_text(encoding="utf-8")) for file in (old, new))
    found = list(breaking(before, after))
    for line in found:
        sys.stderr.write(f"v1 of the API may not change so: {line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
