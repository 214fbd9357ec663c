"""Known vulnerabilities of what is pinned or installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a2a_node.ops.findings import Finding, fingerprint, rank
from a2a_node.ops.scanner.advisory import Advisory
from a2a_node.ops.scanner.requirements import Pin


def vulnerabilities(pins: Sequence[Pin], advisories: Mapping[str, Sequence[Advisory]]) -> list[Finding]:
    """One finding for each advisory that is about a pinned version; of aliases the worst one is told."""
    found: list[Finding] = []
    for pin in pins:
        told: set[str] = set()
        for advisory in sorted(advisories.get(pin.name, ()), key=lambda one: (-rank(one.severity), one.id)):
            if advisory.affects(pin.version) and not told & {advisory.id, *advisory.aliases}:
                told |= {advisory.id, *advisory.aliases}
                found.append(_finding(pin, advisory))
    return found


def _finding(pin: Pin, advisory: Advisory) -> Finding:
    fix = advisory.fixed_in(pin.version)
    advice = f"take {fix} or later" if fix else "no version without it is known"
    return Finding(
        rule=advisory.id,
        severity=advisory.severity,
        place=pin.place,
        message=f"{pin.name} {pin.version}: {advisory.summary}; {advice}",
        fingerprint=fingerprint("dependency", advisory.id, pin.name, str(pin.version), pin.place.path),
    )
