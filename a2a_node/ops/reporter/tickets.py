"""Tickets: a file for each finding that somebody has to look at. One that is there is left as people have made it."""

from __future__ import annotations

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Finding, shortened
from a2a_node.ops.workplace import Workplace

MOST_BYTES = 2**20


async def opened(workplace: Workplace, folder: str, look: str, found: Finding) -> bool:
    """Open the ticket of a finding; False when it is there already, open or closed."""
    path = f"{folder}/{found.fingerprint}.md"
    if await _there(workplace, path):
        return False
    await workplace.write("input.folder", path, _text(look, found).encode())
    return True


async def _there(workplace: Workplace, path: str) -> bool:
    try:
        await workplace.read("input.folder", path, MOST_BYTES)
    except InvalidInput as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise
    return True


def _text(look: str, found: Finding) -> str:
    """The ticket, as text that Markdown shows as it stands."""
    place = f"{found.place.path}:{found.place.line}" if found.place.line else found.place.path
    lines = (
        f"status: open\nseverity: {found.severity}\nrule: {found.rule}\nlook: {look}",
        f"place: {place}\nfingerprint: {found.fingerprint}",
    )
    told = "\n".join(lines).replace("`", "'")
    return f"# {found.severity}: {found.rule}\n\n```\n{told}\n```\n\n    {shortened(found.message)}\n"
