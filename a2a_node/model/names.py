"""The form of the names that users choose, and one check for all of them."""

from __future__ import annotations

import os
import re
from collections import deque
from uuid import UUID

from a2a_node.model.errors import InvalidInput

NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}  # of RFC 9562
FORM = "must be 1 to 63 lower-case letters, digits, '-', '_' or '.', beginning with a letter"


def checked_name(field: str, name: str) -> str:
    """The name itself; InvalidInput names the field when its form is wrong."""
    if not name:
        raise InvalidInput(field, "is required")
    if not NAME.fullmatch(name):
        raise InvalidInput(field, f"{name[:80]!r} {FORM}")
    return name


def fresh_bits() -> bytes:
    """128 random bits of the system, each given out once; asked for in advance, 256 times in one system call."""
    while True:
        try:
            return _BITS.pop()
        except IndexError:  # other threads may have taken them all
            raw = os.urandom(4096)
            _BITS.extend(raw[start : start + 16] for start in range(0, len(raw), 16))


_BITS: deque[bytes] = deque()
os.register_at_fork(after_in_child=_BITS.clear)  # or two processes would give out the same


def fresh_uuid() -> str:
    """A random UUID (version 4) in its canonical form, in 1 µs: every call pays it, and `str(uuid4())` takes 4."""
    raw = fresh_bits().hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{VARIANTS[raw[16]]}{raw[17:20]}-{raw[20:]}"


def checked_uuid(field: str, text: str) -> str:
    """The UUID in its canonical form; InvalidInput names the field otherwise."""
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidInput(field, f"{text[:80]!r} must be a UUID") from None


def checked_text(field: str, text: str, limit: int) -> str:
    """The text itself; InvalidInput names the field when it is longer than `limit` characters."""
    if len(text) > limit:
        raise InvalidInput(field, f"has {len(text)} characters, the limit is {limit}")
    return text
