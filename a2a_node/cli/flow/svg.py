"""A workflow as a picture: SVG that stands alone, without scripts and fonts of its own, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from a2a_node.cli.flow.boxes import Box
from a2a_node.cli.flow.layers import Layered, Slot, layered
from a2a_node.cli.flow.lettering import clipped, width_of
from a2a_node.cli.flow.places import places

LEAST, MOST = 150.0, 250.0  # how wide a box is
LINE, GAP_ALONG, GAP_ACROSS, PASSING = 17.0, 56.0, 18.0, 14.0
MARGIN, HEAD, INSET = 24.0, 58.0, 14.0
LONG = 10  # layers; a longer graph that is longer than wide goes down the page
STYLE = """
text{font-family:ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif;font-size:12px;fill:#57606a}
.page{fill:#fff}.box{fill:#fff;stroke:#d0d7de}.bar{fill:#afb8c1}.line{fill:none;stroke:#afb8c1;stroke-width:1.5}
.tip{fill:#afb8c1}.undo{stroke-dasharray:5 4}.title{font-size:16px;font-weight:600;fill:#1f2328}
.id{font-size:13px;font-weight:600;fill:#1f2328}
.completed .bar{fill:#1a7f37}.failed .bar{fill:#cf222e}.running .bar{fill:#0969da}.waiting .bar{fill:#bf8700}
.paused .bar{fill:#8250df}.failed .box{stroke:#cf222e}.running .box{stroke:#0969da}.waiting .box{stroke:#bf8700}
.failed .fact{fill:#cf222e}.running .fact{fill:#0969da}.waiting .fact{fill:#9a6700}.completed .fact{fill:#1a7f37}
.skipped .id,.cancelled .id,.pending .id{fill:#6e7781}.skipped .box,.cancelled .box{stroke-dasharray:3 3}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.box{fill:#161b22;stroke:#3d444d}text{fill:#9198a1}
.title,.id{fill:#f0f6fc}.line{stroke:#656c76}.tip{fill:#656c76}.completed .fact{fill:#3fb950}.failed .fact{fill:#f85149}
.running .fact{fill:#4493f8}.waiting .fact{fill:#d29922}}
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """How large boxes are, and which way layers follow one another."""

    wide: float
    high: float
    down: bool

    def at(self, along: int, across: float) -> tuple[float, float]:
        """The upper left corner of a box in a layer, around a middle across it."""
        if self.down:
            return MARGIN + across - self.wide / 2, MARGIN + HEAD + along * (self.high + GAP_ALONG)
        return MARGIN + along * (self.wide + GAP_ALONG), MARGIN + HEAD + across - self.high / 2

    @property
    def deep(self) -> float:
        """How much of the way along the layers a box takes."""
        return self.high if self.down else self.wide


def picture(boxes: Sequence[Box], title: str, about: str) -> str:
    """The SVG of boxes under a title and a line about them."""
    drawn, frame = layered(boxes), _frame(boxes)
    across = frame.wide if frame.down else frame.high
    middles = places(drawn, across + GAP_ACROSS, PASSING)
    corners = {box.id: frame.at(box.wave, middles[box.id, box.wave]) for box in boxes}
    right = max((x for x, _ in corners.values()), default=0) + frame.wide + MARGIN
    under = max((y for _, y in corners.values()), default=HEAD) + frame.high + MARGIN
    lines = [one for box in boxes for one in _lines(box, drawn, middles, frame)]
    right = max(right, *(x + MARGIN for _, points in lines for x, _ in points), 420.0) if lines else max(right, 420.0)
    under = max(under, *(y + MARGIN for _, points in lines for _, y in points)) if lines else under
    body = [_path(kind, points, down=frame.down) for kind, points in dict.fromkeys(lines)]
    body += [_drawn(box, *corners[box.id], frame) for box in boxes]
    return "\n".join(_page(right, under, title, about, body))


def _frame(boxes: Sequence[Box]) -> Frame:
    widest = max((width_of(text, size) for box in boxes for text, size in _rows(box)), default=0.0)
    rows = max((len(_rows(box)) for box in boxes), default=2)
    layers = [box.wave for box in boxes]
    long, broad = max(layers, default=0) + 1, max((layers.count(wave) for wave in set(layers)), default=0)
    return Frame(min(MOST, max(LEAST, widest + 2 * INSET)), 2 * INSET + LINE * rows - 5, down=long > max(LONG, broad))


def _rows(box: Box) -> Sequence[tuple[str, float]]:
    """The texts of a box and how large they are."""
    return [(box.id, 13.0), (box.does, 12.0), *([(" · ".join(box.notes), 12.0)] if box.notes else [])]


def _lines(
    box: Box, drawn: Layered, middles: Mapping[Slot, float], frame: Frame
) -> Iterator[tuple[str, tuple[tuple[float, float], ...]]]:
    """The lines that come to a box, each as its kind and points in pairs, from layer to layer."""
    for need in box.after:
        points = list[tuple[float, float]]()
        for layer in range(drawn.waves[need], box.wave + 1):
            name = box.id if layer == box.wave else need
            x, y = frame.at(layer, middles[name, layer])
            x, y = (x + frame.wide / 2, y) if frame.down else (x, y + frame.high / 2)
            further = (x, y + frame.deep) if frame.down else (x + frame.deep, y)
            points += [(x, y)] * (layer > drawn.waves[need]) + [further] * (layer < box.wave)
        yield "undo" if box.undoes else "", tuple(points)


def _path(kind: str, points: Sequence[tuple[float, float]], *, down: bool) -> str:
    (x, y), *rest = points
    words, half = [f"M{x:.1f} {y:.1f}"], GAP_ALONG / 2
    for number, (to_x, to_y) in enumerate(rest):
        bend = (x, y + half, to_x, to_y - half) if down else (x + half, y, to_x - half, to_y)
        curve = "C" + " ".join(f"{one:.1f}" for one in bend) + " "
        words.append(f"{'L' if number % 2 else curve}{to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return f'<path class="{f"line {kind}".strip()}" marker-end="url(#tip)" d="{"".join(words)}"/>'


def _drawn(box: Box, x: float, y: float, frame: Frame) -> str:
    room = frame.wide - 2 * INSET
    texts = [
        f'<text class="{kind}" x="{x + INSET:.1f}" y="{y + INSET + 10 + LINE * number:.1f}">'
        f"{escape(clipped(text, size, room))}</text>"
        for number, ((text, size), kind) in enumerate(zip(_rows(box), ("id", "does", "fact"), strict=False))
    ]
    whole = "\n".join([box.id, box.does, *box.notes])
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return "".join([
        f'<g class="step {box.status or ""}"><title>{escape(whole)}</title>',
        f'<rect class="box" {place} width="{frame.wide:.1f}" height="{frame.high:.1f}" rx="6"/>',
        f'<rect class="bar" x="{x:.1f}" y="{y + 6:.1f}" width="4" height="{frame.high - 12:.1f}" rx="2"/>',
        *texts,
        "</g>",
    ])  # fmt: skip


def _page(wide: float, high: float, title: str, about: str, body: Sequence[str]) -> Sequence[str]:
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    room = wide - 2 * MARGIN
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>',
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
        '<path class="tip" d="M0 0.5L8 4L0 7.5z"/></marker></defs>',
        f'<rect class="page" width="{wide:.0f}" height="{high:.0f}"/>',
        f'<text class="title" x="{MARGIN}" y="40">{escape(clipped(title, 16.0, room))}</text>',
        f'<text x="{MARGIN}" y="60">{escape(clipped(about, 12.0, room))}</text>',
        *body,
        "</svg>\n",
    ]
