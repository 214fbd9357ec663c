"""One page: Markdown with an optional head of YAML. HTML in it is shown as text, so that no page can run anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from a2a_node.ops.site.problems import Problems
from a2a_node.workflows.source import SourceInvalid, read_source

MOST_BYTES = 2**20  # of one page: a book, and some seconds of a thread
TITLE, DESCRIPTION = 200, 500  # characters
HEAD = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
KNOWN = ("title", "description", "draft")
LINKS = {"a": "href", "img": "src"}


@dataclass(slots=True)
class Link:
    """A link or an image in a page; its target can still be changed before the page is written."""

    target: str
    line: int
    token: Token
    attribute: str

    def lead(self, target: str) -> None:
        """Lead elsewhere."""
        self.token.attrSet(self.attribute, target)


@dataclass(slots=True)
class Page:
    """A page as it was read."""

    path: str  # of its source, from the folder of the sources on
    title: str = ""
    description: str = ""
    draft: bool = False
    tokens: Sequence[Token] = ()
    anchors: frozenset[str] = frozenset()
    links: Sequence[Link] = field(default_factory=list)

    @property
    def output(self) -> str:
        """Where it is written."""
        return f"{self.path.removesuffix('.md')}.html"

    def html(self) -> str:
        """Its content as HTML."""
        return str(_reader().renderer.render(self.tokens, _reader().options, {}))


def read_page(path: str, text: str, problems: Problems) -> Page:
    """The page of a source; what is wrong with its head is told."""
    page, text, before = Page(path), text.replace("\r\n", "\n"), 0
    if head := HEAD.match(text):
        before = head[0].count("\n")
        _read_head(page, head[1], problems)
        text = text[head.end() :]
    page.tokens = _reader().parse(text)
    page.anchors = frozenset(_anchored(page.tokens))
    page.links = [*_links(page.tokens, before)]
    page.title = page.title or next(_headings(page.tokens), "")
    if not page.title:
        problems.add(path, 1, "has no title; give it a heading, or a title between '---' lines")
    return page


def _read_head(page: Page, text: str, problems: Problems) -> None:
    try:
        source = read_source(text)
    except SourceInvalid as error:
        problems.add(page.path, error.place.line + 1, f"its head {error.message}")
        return
    said = source.value if isinstance(source.value, dict) else {}
    for place, fault in source.faults:
        problems.add(page.path, place.line + 1, f"its head {fault}")
    for key in said:
        if key not in KNOWN:
            problems.add(page.path, 1, f"its head says {str(key)[:80]!r}; it may say {', '.join(KNOWN)}")
    title, description, draft = (said.get(key, fallback) for key, fallback in zip(KNOWN, ("", "", False), strict=True))
    if not isinstance(title, str) or len(title) > TITLE:
        problems.add(page.path, 1, f"its title must be a text of at most {TITLE} characters")
    elif not isinstance(description, str) or len(description) > DESCRIPTION:
        problems.add(page.path, 1, f"its description must be a text of at most {DESCRIPTION} characters")
    elif not isinstance(draft, bool):
        problems.add(page.path, 1, "its draft must be true or false")
    else:
        page.title, page.description, page.draft = title, description, draft


def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _anchored(tokens: Sequence[Token]) -> Iterator[str]:
    """Give every heading an id that links can name; the ids."""
    seen: set[str] = set()
    for token, words in _with_words(tokens):
        wanted = slug(words) or "section"
        name, turn = wanted, 1
        while name in seen:
            name, turn = f"{wanted}-{turn}", turn + 1
        seen.add(name)
        token.attrSet("id", name)
        yield name


def _headings(tokens: Sequence[Token]) -> Iterator[str]:
    return (words[:TITLE] for _, words in _with_words(tokens) if words)


def _with_words(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    for token, content in pairwise(tokens):
        if token.type == "heading_open":
            yield (
                token,
                "".join(each.content for each in content.children or () if each.type in ("text", "code_inline")),
            )


def slug(words: str) -> str:
    """The anchor of a heading, as code hosts make it: lower case, `-` for spaces, no marks."""
    kept = unicodedata.normalize("NFC", words).lower().strip()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", kept))


def _links(tokens: Sequence[Token], before: int) -> Iterator[Link]:
    for block in tokens:
        line = before + (block.map[0] if block.map else 0) + 1
        for token in block.children or ():
            attribute = LINKS.get(token.tag) if token.nesting >= 0 else None
            if attribute:
                yield Link(str(token.attrGet(attribute) or ""), line, token, attribute)
