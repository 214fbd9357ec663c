"""Links: those inside of a site must lead to a page, a file or a heading that there is; those outside are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.exchange import Hosts, Request, exchanged
from a2a_node.ops.site.sources import Sources, Target

MOST_OUTSIDE, AT_ONCE = 200, 8
SECONDS, MOST_BYTES = 5.0, 2**20
GONE = 400  # from here on a status means that nothing is there


def check_inside(sources: Sources) -> None:
    """Tell every link of the pages that leads to nothing."""
    for page in sources.pages.values():
        for link in page.links:
            leads = sources.leads(page.path, link.target)
            if isinstance(leads, Target) and (fault := _fault(sources, leads)):
                sources.problems.add(page.path, link.line, f"the link to {link.target[:200]!r} {fault}")


def _fault(sources: Sources, target: Target) -> str:
    if not target.file:
        return "leads to nothing that is published"
    page = sources.pages.get(target.file)
    if target.anchor and page is not None and target.anchor not in page.anchors:
        return f"leads to a heading that {target.file} does not have"
    return ""


def outside(sources: Sources) -> Iterator[tuple[str, int, str]]:
    """The links that lead outside, each once, with the place where it stands first."""
    seen: set[str] = set()
    for page in sources.pages.values():
        for link in page.links:
            leads = sources.leads(page.path, link.target)
            if isinstance(leads, SplitResult) and link.target not in seen:
                seen.add(link.target)
                yield page.path, link.line, link.target


async def check_outside(sources: Sources, hosts: Hosts) -> Sequence[str]:
    """Tell every link that leads outside to nothing; those that nobody could look at are given back."""
    turns, unknown = asyncio.Semaphore(AT_ONCE), list[str]()

    async def look(path: str, line: int, url: str) -> None:
        async with turns:
            fault = await _asked(hosts, f"https:{url}" if url.startswith("//") else url)
        if fault is None:
            unknown.append(url)
        elif fault:
            sources.problems.add(path, line, f"the link to {url[:200]!r} {fault}")

    found = list(outside(sources))
    await asyncio.gather(*(look(*each) for each in found[:MOST_OUTSIDE]))
    return sorted(unknown) + [url for _, _, url in found[MOST_OUTSIDE:]]


async def _asked(hosts: Hosts, url: str) -> str | None:
    """What is wrong with a link; empty where nothing is, None where this node may not ask there."""
    try:
        parts, address = await hosts.address("link", url.partition("#")[0])
    except InvalidInput:
        return None
    try:
        answer = await exchanged(Request(parts, address), SECONDS, MOST_BYTES)
    except AgentRefused as error:
        return f"cannot be followed: {error.message}"
    return f"is answered with status {answer.status}" if answer.status >= GONE else ""
