"""Pages of a list: opaque tokens that belong to one list with its filters."""

from __future__ import annotations

import base64
import binascii
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

from a2a_node.model.errors import InvalidInput, PageTokenInvalid

T = TypeVar("T")
DEFAULT_SIZE = 50
MAX_SIZE = 500


def page_size(asked: int) -> int:
    """How many to list: 50 when nothing was asked, at most 500; InvalidInput when negative."""
    if asked < 0:
        raise InvalidInput("page_size", f"{asked} must not be negative")
    return min(asked or DEFAULT_SIZE, MAX_SIZE)


def page_token(scope: str, last: str) -> str:
    """A token that continues the list `scope` (its name and filters) after the key `last`."""
    return base64.urlsafe_b64encode(_mark(scope) + last.encode()).decode().rstrip("=")


def after_token(scope: str, token: str) -> str:
    """The key to continue after, empty for the first page; PageTokenInvalid for another list's token."""
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        last = raw[8:].decode()
    except (binascii.Error, ValueError):
        raise PageTokenInvalid from None
    if raw[:8] != _mark(scope) or not last:
        raise PageTokenInvalid
    return last


def paged(items: Sequence[T], key: Callable[[T], str], scope: str, size: int, token: str) -> tuple[Sequence[T], str]:
    """The page of `items` (sorted by `key`) that the token asks for, and the next page's token or an empty one."""
    after = after_token(scope, token)
    begin = bisect_right(items, after, key=key) if after else 0
    page = items[begin : begin + page_size(size)]
    return page, page_token(scope, key(page[-1])) if begin + len(page) < len(items) else ""


def _mark(scope: str) -> bytes:
    return hashlib.sha256(scope.encode()).digest()[:8]
