"""What stands around the content of every page."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from html import escape, unescape

from a2a_node.ops.site.assets import relative
from a2a_node.ops.site.markdown import Page
from a2a_node.ops.site.sources import LAYOUT, Sources, Target

BUILT_IN = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; style-src 'self' 'unsafe-inline'">
<title>{{ title }}</title>
<meta name="description" content="{{ description }}">
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}
img{max-width:100%}pre{overflow:auto}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .6rem}</style>
</head>
<body>
<main>
{{ content }}</main>
</body>
</html>
"""
SLOT = re.compile(r"\{\{\s{0,8}(\w{1,40})\s{0,8}\}\}")
NAMED = re.compile(r"""(?P<before>\s(?:href|src)\s{0,4}=\s{0,4}")(?P<target>[^"]{1,1000})(?=")""")
SLOTS = ("title", "description", "content")


class Layout:
    """The layout of the sources, or else the built-in one."""

    def __init__(self, sources: Sources, names: Mapping[str, str]) -> None:
        """`names` has the new paths of files by the old ones. What is wrong with the layout is told."""
        self._sources, self._names = sources, names
        self._text = sources.layout or BUILT_IN
        used = [found[1] for found in SLOT.finditer(self._text)]
        for name in used:
            if name not in SLOTS:
                sources.problems.add(LAYOUT, 0, f"has a place for {name!r}; there are {', '.join(SLOTS)}")
        if "content" not in used:
            sources.problems.add(LAYOUT, 0, "has no place for the content; write {{ content }} there")

    def around(self, page: Page) -> str:
        """A page as it is written; its links, and those of the layout, lead to files by their new names."""
        for link in page.links:
            link.lead(self._renamed(page, page.path, link.target))
        values = {"title": escape(page.title), "description": escape(page.description), "content": page.html()}
        framed = NAMED.sub(lambda found: self._of_layout(page, found), self._text)
        return SLOT.sub(lambda found: values.get(found[1], ""), framed)

    def _of_layout(self, page: Page, found: re.Match[str]) -> str:
        target = unescape(found["target"])
        leads = self._sources.leads(LAYOUT, target)
        if isinstance(leads, Target) and not leads.file and "{{" not in target:
            self._sources.problems.add(LAYOUT, 0, f"names {target[:200]!r}, which is not there")
        return found["before"] + escape(self._renamed(page, LAYOUT, target))

    def _renamed(self, page: Page, path: str, target: str) -> str:
        leads = self._sources.leads(path, target)
        if not isinstance(leads, Target) or not leads.file or target.startswith("#"):
            return target
        there = self._sources.pages.get(leads.file)
        new = there.output if there else self._names.get(leads.file, leads.file)
        return relative(posixpath.join(posixpath.dirname(page.output), "page"), new, leads)
