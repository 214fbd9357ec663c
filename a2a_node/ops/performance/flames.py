"""Flame graphs: stacks that were seen, how often, drawn as an SVG that needs no script and no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape
from zlib import crc32

WIDTH, ROW, MARGIN, TITLE = 1200.0, 17, 10, 40  # pixels
LETTER = 6.6  # pixels of a character of the font
NARROWEST = 0.3  # pixels; what is narrower is not drawn
DEEPEST = 150  # frames; deeper ones are cut off
MOST_STACKS = 50_000


@dataclass(slots=True)
class Frame:
    """A function with those it called; `samples` were taken while it ran, in it or below."""

    name: str
    samples: int = 0
    own: int = 0  # in itself, with nothing below
    below: dict[str, Frame] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many rows it takes, its own among them."""
        return 1 + max((frame.depth for frame in self.below.values()), default=0)


def read(text: str) -> Mapping[tuple[str, ...], int]:
    """The stacks of a raw profile: `outer;inner 12` in each line; lines of another form are left out."""
    stacks: dict[tuple[str, ...], int] = {}
    for line in text.splitlines()[:MOST_STACKS]:
        names, _, count = line.rpartition(" ")
        if names and count.isascii() and count.isdigit():
            stack = tuple(names.split(";"))
            stacks[stack] = stacks.get(stack, 0) + int(count)
    return stacks


def written(stacks: Mapping[tuple[str, ...], int]) -> str:
    """The raw profile of stacks, the most frequent first."""
    order = sorted(stacks.items(), key=lambda one: (-one[1], one[0]))
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in order)


def tree(stacks: Mapping[tuple[str, ...], int]) -> Frame:
    """The stacks as one tree, beginning with a frame for all."""
    root = Frame("all")
    for stack, count in stacks.items():
        root.samples += count
        at = root
        for name in stack[:DEEPEST]:
            at = at.below.setdefault(name, Frame(name))
            at.samples += count
        at.own += count
    return root


def hottest(stacks: Mapping[tuple[str, ...], int], most: int) -> Sequence[tuple[str, float, float]]:
    """The functions that ran most: name, share of the samples in itself, share in it or below."""
    whole = sum(stacks.values())
    own: dict[str, int] = {}
    within: dict[str, int] = {}
    for stack, count in stacks.items():
        if stack:
            own[stack[-1]] = own.get(stack[-1], 0) + count
        for name in set(stack):
            within[name] = within.get(name, 0) + count
    order = sorted(within, key=lambda name: (-own.get(name, 0), -within[name], name))
    return [(name, own.get(name, 0) / whole, within[name] / whole) for name in order[:most]] if whole else []


def drawn(stacks: Mapping[tuple[str, ...], int], title: str) -> str:
    """The flame graph as SVG: as wide as it was often on the processor; names and shares show under the pointer."""
    root = tree(stacks)
    height = TITLE + ROW * root.depth + MARGIN
    boxes = "\n".join(_boxes(root, 0.0, 0, (WIDTH / root.samples if root.samples else 0.0, height)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}" height="{height}" '
        f'viewBox="0 0 {WIDTH:g} {height}" font-family="monospace" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fdf6e3"/>\n'
        f'<text x="{MARGIN}" y="24" font-size="15">{_safe(title)}, {root.samples} samples</text>\n{boxes}\n</svg>\n'
    )


def _boxes(frame: Frame, left: float, row: int, scale: tuple[float, int]) -> Iterator[str]:
    """The box of a frame, and those of the frames above it, which it called."""
    pixels, height = scale
    width, whole = frame.samples * pixels, WIDTH / pixels if pixels else 1.0
    if width < NARROWEST:
        return
    top = height - MARGIN - (row + 1) * ROW
    shown = frame.name if len(frame.name) * LETTER <= width - 4 else frame.name[: max(0, int((width - 4) / LETTER) - 1)]
    label = f'<text x="{left + 3:.1f}" y="{top + 12}">{_safe(shown)}</text>' if shown else ""
    yield (
        f"<g><title>{_safe(frame.name)}: {frame.samples} samples, {frame.samples / whole:.1%}</title>"
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 1}" fill="{_colour(frame.name)}" rx="1"/>'
        f"{label}</g>"
    )
    for below in sorted(frame.below.values(), key=lambda one: one.name):
        yield from _boxes(below, left, row + 1, scale)
        left += below.samples * pixels


def _colour(name: str) -> str:
    """The same for the same name: a warm one."""
    mark = crc32(name.encode("utf-8", "replace"))
    return f"rgb({205 + mark % 50},{90 + (mark >> 8) % 110},{(mark >> 16) % 60})"


def _safe(text: str) -> str:
    """A text that may stand in XML, whatever it holds."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))
