"""The secrets that the nodes of a mesh share, and which of them is used when. Time is the store's, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

ID_BYTES, KEY_BYTES = 16, 32
ROTATION = 86_400.0  # a secret is replaced after a day
SETTLING = 60.0  # nobody signs with a new one before every node has read it
OVERLAP = 3600.0  # the one before is believed for so long after it was replaced


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of the mesh."""

    id: bytes
    key: bytes = field(repr=False)
    made_at: float


def due(secrets: Sequence[Secret], now: float) -> bool:
    """Whether a first or a next secret has to be made."""
    return not secrets or now - secrets[-1].made_at >= ROTATION


def signing(secrets: Sequence[Secret], now: float) -> Secret:
    """The newest that all nodes know by now; the only one, however new. They stand in the order of their making."""
    newest = secrets[-1]
    if len(secrets) == 1 or now - newest.made_at >= SETTLING:
        return newest  # as nearly always: whoever seals a call asks
    return next((each for each in reversed(secrets) if now - each.made_at >= SETTLING), secrets[0])


def outlived(secrets: Sequence[Secret], now: float) -> Sequence[Secret]:
    """Those that were replaced so long ago that nothing sealed with them can be good."""
    return [old for old, new in pairwise(secrets) if now - new.made_at >= OVERLAP + SETTLING]
