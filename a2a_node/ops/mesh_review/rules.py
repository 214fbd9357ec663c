"""What is wrong with grants and keys: decided from what there is and from what time it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from a2a_node.model.grants import Grant
from a2a_node.model.keys import ApiKey
from a2a_node.model.permissions import ANY, covers
from a2a_node.ops.findings import Finding, Kind, Place, Severity, fingerprint

POWERS = ("access:grant", "access:key", "access:token")  # who has one of these can come by all that others may do


@dataclass(frozen=True, slots=True)
class Ages:
    """What is soon, and what is long ago."""

    now: datetime  # by the store's clock
    soon: timedelta
    unused: timedelta

    def stale(self, since: datetime) -> bool:
        """Whether it is so long ago that what was not used since then is not needed."""
        return self.now - since >= self.unused


Told = tuple[str, Severity, str]  # rule, severity, what it is and what to do
LastUses = Mapping[str, datetime | None]  # when a key of a principal was last used, by principal; None for never


def of_grants(grants: Sequence[Grant], keys: Sequence[ApiKey], ages: Ages) -> Iterator[Finding]:
    """What is wrong with the grants that hold."""
    uses = last_uses(keys)
    for grant in grants:
        if grant.holds(ages.now):
            yield from _told("grant", grant.id, _grant(grant, uses, ages))


def of_keys(keys: Sequence[ApiKey], ages: Ages) -> Iterator[Finding]:
    """What is wrong with the keys that nobody has revoked."""
    for key in keys:
        if not key.revoked:
            yield from _told("key", key.id, _key(key, ages))


def last_uses(keys: Sequence[ApiKey]) -> LastUses:
    """When each principal last used a key; those without a key are not there: they show themselves in another way."""
    uses: dict[str, datetime | None] = {}
    for key in keys:
        before = uses.get(key.principal)
        uses[key.principal] = max(filter(None, (before, key.last_used_at)), default=None)
    return uses


def _grant(grant: Grant, uses: LastUses, ages: Ages) -> Iterator[Told]:
    what = f"{grant.granted_to} may {grant.permission} by {grant.granted_by}"
    power = next((power for power in POWERS if covers(grant.permission, power)), "")
    endless = grant.expires_at is None
    if ANY in grant.permission.split(":"):
        severity: Severity = "high" if power else "medium"
        yield "grant-wide", severity, f"{what}: '{ANY}' lets more in than anybody has named; name what is needed"
    if power and endless:
        yield "grant-power", "high", f"{what}, without end: whoever has it comes by more; give it for a while"
    if grant.delegable and endless:
        more = f"{grant.depth} times more" if grant.depth else "no more"
        yield "grant-handed-on", "medium", f"{what}, may hand it on ({more}), without end; give it for a while"
    if _unused(grant, uses, ages):
        yield "grant-unused", "low", f"{what}, and has not used it for {ages.unused.days} days; revoke it"


def _unused(grant: Grant, uses: LastUses, ages: Ages) -> bool:
    """Whether it is known that nobody used it: its uses are counted, or no key of its holder was used since."""
    if not ages.stale(grant.granted_at) or grant.uses:
        return False
    if grant.granted_to not in uses:
        return False
    last = uses[grant.granted_to]
    return last is None or last < grant.granted_at or ages.stale(last)


def _key(key: ApiKey, ages: Ages) -> Iterator[Told]:
    what = f"key {key.id} of {key.principal}"
    if key.expires_at is not None and key.expires_at <= ages.now:
        yield "key-expired", "low", f"{what} has expired at {_told_time(key.expires_at)} and is still there; revoke it"
        return
    if key.expires_at is not None and key.expires_at - ages.now <= ages.soon:
        yield "key-expires-soon", "medium", f"{what} expires at {_told_time(key.expires_at)}; make the next one now"
    if key.last_used_at is None and ages.stale(key.created_at):
        yield "key-never-used", "medium", f"{what} was never used since {_told_time(key.created_at)}; revoke it"
    if key.last_used_at is not None and ages.stale(key.last_used_at):
        yield "key-unused", "medium", f"{what} was last used at {_told_time(key.last_used_at)}; revoke it"
    if key.expires_at is None and not key.permissions:
        yield "key-endless", "low", f"{what} never expires and is bound to no permissions; make one that is bounded"


def _told(kind: Kind, name: str, told: Iterator[Told]) -> Iterator[Finding]:
    for rule, severity, message in told:
        yield Finding(
            rule=rule,
            severity=severity,
            place=Place(path=name, kind=kind),
            message=message,
            fingerprint=fingerprint(rule, name),
        )


def _told_time(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
