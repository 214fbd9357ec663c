"""Sets of keys from where issuers publish them: bounded, in time, and from nowhere else than the settings say.

Imported when the first set is fetched: few nodes have such issuers, and urllib is large.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from time import monotonic
from typing import IO

from a2a_node.access.jwks import bounded, is_fit

CHUNK = 16 * 1024


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follows nobody: where keys come from is said in the settings, and not by whoever answers there."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""


def fetched(url: str, patience: float) -> bytes:
    """What a URL answers; OSError when there is nothing, too much, or not in time."""
    if not is_fit(url):
        raise OSError("neither https nor on loopback")
    until = monotonic() + patience
    try:
        with urllib.request.build_opener(_Nowhere).open(url, timeout=patience) as answer:
            return _drained(answer, until)
    except (urllib.error.URLError, ValueError) as error:
        raise OSError(str(error)) from None


def _drained(answer: IO[bytes], until: float) -> bytes:
    """All of it; a server that drips is left when the time is over."""
    content = b""
    while chunk := answer.read(CHUNK):
        content = bounded(content + chunk)
        if monotonic() > until:
            raise OSError("took too long")
    return content
