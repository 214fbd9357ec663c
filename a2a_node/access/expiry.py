"""For how long the certificate that a door shows is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from a2a_node.access.certificates import Shown, Shows


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when it is good: the shortest of a whole chain."""

    since: datetime
    until: datetime

    def left(self, now: datetime) -> float:
        """Seconds until it ends; below 0 once it has."""
        return (self.until - now).total_seconds()

    @property
    def whole(self) -> float:
        """Seconds from its beginning to its end."""
        return (self.until - self.since).total_seconds()


class Expiry:
    """Reads what is shown now, and parses it again only when it has changed."""

    def __init__(self, shows: Shows) -> None:
        self._shows = shows
        self._read: tuple[Shown, Span] | None = None

    def span(self) -> Span:
        """When what is shown now is good."""
        shown = self._shows.now()
        if self._read is None or self._read[0] is not shown:
            self._read = shown, _shortest(shown.certificate)
        return self._read[1]


def _shortest(chain: bytes) -> Span:
    first = min(x509.load_pem_x509_certificates(chain), key=lambda one: one.not_valid_after_utc)
    return Span(first.not_valid_before_utc, first.not_valid_after_utc)
