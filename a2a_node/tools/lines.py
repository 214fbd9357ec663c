"""Lines of a stream within bounds: of one that is too long only both its ends are kept."""

from __future__ import annotations

import re
from asyncio import StreamReader
from collections.abc import AsyncIterator
from dataclasses import dataclass

CHUNK = 256 * 1024
ENDS = 512  # bytes that are kept of both ends
_AHEAD = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*,')
_BEHIND = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')


@dataclass(frozen=True, slots=True)
class TooLong:
    """What is left of a line that was too long."""

    head: bytes
    tail: bytes
    size: int

    def answers(self) -> int | None:
        """The id of the request that it answers, where one of its ends says so: a member of the outermost object."""
        found = _AHEAD.match(self.head) or _BEHIND.search(self.tail)
        return None if found is None else int(found[1])


class _Line:
    """A line as it grows."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._head = self._tail = b""
        self._size = 0

    def add(self, part: bytes) -> None:
        """Some more of it."""
        self._size += len(part)
        if self._size <= self._most:
            self._parts.append(part)
            return
        if not self._tail:
            whole = b"".join((*self._parts, part))
            self._parts, self._head = [], whole[:ENDS]
        self._tail = (self._tail + part[-ENDS:])[-ENDS:]

    def taken(self) -> bytes | TooLong:
        """The line, which begins anew."""
        size, parts, tail = self._size, self._parts, self._tail
        self._parts, self._tail, self._size = [], b"", 0
        return b"".join(parts) if size <= self._most else TooLong(self._head, tail, size)


async def lines(stream: StreamReader, most: int) -> AsyncIterator[bytes | TooLong]:
    """The lines of a stream without their ends, each of at most so many bytes; what follows the last end is one too."""
    line = _Line(most)
    while chunk := await stream.read(CHUNK):
        first, *rest = chunk.split(b"\n")
        line.add(first)
        for part in rest:
            yield line.taken()
            line.add(part)
    if last := line.taken():
        yield last
