"""What is said to an agent and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Payload:
    """A body in one of three encodings: a JSON object (mapping), text (str) or bytes of the media type."""

    body: Mapping[str, object] | str | bytes
    media_type: str = JSON


EMPTY = Payload({})
