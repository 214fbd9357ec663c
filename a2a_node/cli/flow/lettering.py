"""How wide a text will be where no font is at hand: an estimate that is rather too wide than too narrow."""

from __future__ import annotations

from unicodedata import east_asian_width

NARROW, BROAD = frozenset("iIjl.,:;'|!()[]ft r-"), frozenset("mwMW@%…")
SHARES = (0.38, 0.62, 0.98)  # of the letter size, for narrow letters, most letters, and broad ones


def width_of(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif font of that size, in the unit of the size."""
    return size * sum(_share(letter) for letter in text)


def clipped(text: str, size: float, room: float) -> str:
    """A text in one line that fits into the room; `…` where it goes on."""
    line = " ".join(text.split())
    if width_of(line, size) <= room:
        return line
    left, kept = room - width_of("…", size), list[str]()
    for letter in line:
        left -= size * _share(letter)
        if left < 0:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…"


def _share(letter: str) -> float:
    narrow, usual, broad = SHARES
    if letter in NARROW:
        return narrow
    if letter in BROAD or letter.isupper():
        return broad if letter in BROAD else 0.74
    return 1.05 if east_asian_width(letter) in "WF" else usual
