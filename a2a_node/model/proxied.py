"""A call that is passed through unparsed to a gRPC service of its agent: what travels with it besides its messages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Entries: TypeAlias = "Sequence[tuple[str, str | bytes]]"  # of metadata; values of names that end in `-bin` are bytes

PROXIED = "proxied"  # the method of all such calls, for layers that know methods; the agent's own is the capability
RAW = "application/grpc"  # the media type of a message as it came
FORM = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)  # of the agent's method, such as "orders.v1.Orders/Place"
LONGEST = 255  # characters of it


@dataclass(slots=True, eq=False)
class Proxied:
    """Metadata in both directions: the client's, for the agent; the agent's first and last, for the client."""

    said: Entries
    begin: Callable[[Entries], Awaitable[None]]  # passes on what the agent says first, once
    trailing: Entries = ()  # what the agent said last, once the call has ended well


def is_method(name: str) -> bool:
    """Whether it can be a method of an agent's own: "package.Service/Method"."""
    return len(name) <= LONGEST and FORM.fullmatch(name) is not None
