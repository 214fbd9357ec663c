"""One advisory, and whether it is about a version: the rules of OSV, with the order of versions of PEP 440."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.version import Version

from a2a_node.ops.findings import Severity

Event = tuple[str, Version | None]  # what happened at a version; None stands for "before every version"


@dataclass(frozen=True, slots=True)
class Advisory:
    """One vulnerability of one package."""

    id: str
    aliases: Sequence[str]
    summary: str
    severity: Severity
    versions: frozenset[Version]
    ranges: Sequence[Sequence[Event]]

    def affects(self, version: Version) -> bool:
        """Whether a version has it."""
        return version in self.versions or any(_within(events, version) for events in self.ranges)

    def fixed_in(self, version: Version) -> str:
        """The first later version without it; empty where none is known."""
        fixes = {at for events in self.ranges for name, at in events if name == "fixed" and at and at > version}
        return next((str(fix) for fix in sorted(fixes) if not self.affects(fix)), "")


def _within(events: Sequence[Event], version: Version) -> bool:
    limits = [at for name, at in events if name == "limit"]
    if limits and not any(at is not None and version < at for at in limits):
        return False
    affected = False
    for name, at in events:
        if name == "introduced" and (at is None or version >= at):
            affected = True
        elif at is not None and ((name == "fixed" and version >= at) or (name == "last_affected" and version > at)):
            affected = False
    return affected
