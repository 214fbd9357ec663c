"""W3C baggage: what a caller says about its call, for conditions to narrow by. Proof of nothing."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from a2a_node.model.trace import BAGGAGE

LENGTH, MOST = 8192, 64  # characters of the header, members


def said(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """The members of a call's baggage, without their properties; none where there is more than is allowed."""
    header = metadata.get(BAGGAGE, "")
    if not header or len(header) > LENGTH:
        return {}
    members = [member.partition(";")[0].partition("=") for member in header.split(",", MOST)]
    return {name.strip(): unquote(value.strip()) for name, equals, value in members[:MOST] if equals and name.strip()}
