"""What holds for every session, wherever it is kept: how its data is written, merged and bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from a2a_node.model.errors import InvalidInput, PayloadTooLarge
from a2a_node.model.state import NewSession

DATA_LIMIT = 1 << 20  # bytes of JSON
DEFAULT_TTL, LEAST_TTL, MOST_TTL = 24 * 3600.0, 1.0, 30 * 24 * 3600.0  # seconds

# Postgres keeps no U+0000; JSON writes it as an escape that an even number of backslashes stands before.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def data_text(data: Mapping[str, object]) -> str:
    """The data as compact JSON; InvalidInput for what JSON cannot say, PayloadTooLarge over 1 MiB."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidInput("data", f"is no JSON object: {error}") from None
    if size > DATA_LIMIT:
        raise PayloadTooLarge(size, DATA_LIMIT)
    if _NUL.search(text):
        raise InvalidInput("data", "holds the character U+0000, which cannot be kept")
    return text


def merged(data: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """The data with each given top-level key set, and those given as None removed."""
    return {name: value for name, value in {**data, **changes}.items() if value is not None or name not in changes}


def checked_labels(new: NewSession) -> NewSession:
    """The new session itself; InvalidInput when a label of it cannot be kept."""
    for field, label in (("session_id", new.id), ("agent_id", new.agent_id), ("user_id", new.user_id)):
        if "\0" in label:
            raise InvalidInput(field, "holds the character U+0000, which cannot be kept")
    return new
