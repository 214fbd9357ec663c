"""What a node shows of the certificates that its doors show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from a2a_node.access.certificates import Shows
from a2a_node.access.expiry import Expiry, Span
from a2a_node.web.figures import Figure


def of_certificates(doors: Mapping[str, Shows]) -> Sequence[Figure]:
    """How long each is good, by its door."""
    expiries = {door: Expiry(shows) for door, shows in doors.items()}

    def read(part: Callable[[Span], float]) -> Callable[[], Mapping[str, float]]:
        return lambda: {door: part(expiry.span()) for door, expiry in expiries.items()}

    left = "Until the certificate that a door shows ends, or the first of its chain"
    whole = "From the beginning to the end of that certificate"
    return (
        Figure("a2a_certificate_expiry_seconds", left, read(lambda span: span.left(datetime.now(UTC))), "door"),
        Figure("a2a_certificate_lifetime_seconds", whole, read(lambda span: span.whole), "door"),
    )
