"""Licences of distributions, held against a policy: what is allowed, what is denied, and what is not said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.utils import canonicalize_name

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Finding, Severity, fingerprint
from a2a_node.ops.scanner.requirements import Pin, Pins, installed
from a2a_node.ops.scanner.spdx import licence_of, satisfied

MOST_RULES = 200


@dataclass(frozen=True, slots=True)
class Policy:
    """SPDX ids, in which `*` stands for anything: `GPL-*`. An empty `allow` allows all that is not denied."""

    allow: Sequence[str] = ()
    deny: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, rules in (("allow", self.allow), ("deny", self.deny)):
            if len(rules) > MOST_RULES or any(not rule or len(rule) > MOST_RULES for rule in rules):
                raise InvalidInput(f"input.{name}", f"must be at most {MOST_RULES} SPDX ids such as 'MIT' or 'GPL-*'")

    def denies(self, licence: str) -> bool:
        """Whether a licence is denied."""
        return _fits(licence, self.deny)

    def allows(self, licence: str) -> bool:
        """Whether a licence is allowed."""
        return not self.denies(licence) and (not self.allow or _fits(licence, self.allow))


def breaches(pins: Pins, folder: Path | None, policy: Policy) -> Iterator[Finding]:
    """One finding for each pinned distribution that is not let in; those whose licence cannot be read are skipped.

    The metadata is that of the distributions in `folder`, or in the environment of this node where it is None.
    """
    known = {str(canonicalize_name(one.metadata["Name"])): one for one in installed(folder)}
    for pin in pins.found:
        there = known.get(pin.name)
        if there is None:
            pins.skip(pin.place, f"{pin.name} is not installed there, so that its licence is not known")
        elif finding := _breach(pin, licence_of(there), policy):
            yield finding


def _breach(pin: Pin, licence: str, policy: Policy) -> Finding | None:
    if not licence:
        return _finding(pin, "licence-unknown", "low", "does not say its licence; look at it, and ask its authors")
    if satisfied(licence, policy.allows):
        return None
    if not satisfied(licence, lambda one: not policy.denies(one)):
        return _finding(pin, "licence-denied", "high", f"is under {licence}, which the policy denies")
    return _finding(pin, "licence-not-allowed", "medium", f"is under {licence}, which the policy does not allow")


def _finding(pin: Pin, rule: str, severity: Severity, what: str) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        place=pin.place,
        message=f"{pin.name} {pin.version} {what}",
        fingerprint=fingerprint(rule, pin.name, pin.place.path),
    )


def _fits(licence: str, rules: Sequence[str]) -> bool:
    return any(fnmatchcase(licence.lower(), rule.lower()) for rule in rules)
