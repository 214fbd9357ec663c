"""What is kept of a stream that may never end: its beginning and its end."""

from __future__ import annotations

import asyncio

CHUNK = 64 * 1024


class Kept:
    """Bytes heard, at most so many kept: the first half of them from the beginning, the others from the end."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._first, self._last, self._heard = bytearray(), bytearray(), 0

    @property
    def cut(self) -> bool:
        """Whether something was left out."""
        return self._heard > len(self._first) + len(self._last)

    async def hear(self, stream: asyncio.StreamReader | None) -> None:
        """Read a stream to its end."""
        while stream is not None and (data := await stream.read(CHUNK)):
            self.add(data)

    def add(self, data: bytes) -> None:
        """Keep what there is room for."""
        self._heard += len(data)
        room = self._half - len(self._first)
        self._first += data[:room]
        self._last += data[room:]
        del self._last[: -self._half or len(self._last)]

    def text(self) -> str:
        """What was kept, with a line where something was left out."""
        left_out = self._heard - len(self._first) - len(self._last)
        mark = f"\n[... {left_out:,} bytes were left out here ...]\n".encode() if left_out else b""
        return (bytes(self._first) + mark + bytes(self._last)).decode(errors="replace")
