"""What a caller says, on its way to another node: where nobody there begins to work, it is said again elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from a2a_node.model.payload import Payload
from a2a_node.wire.payloads import Carried, passed_on

MOST = 256 * 1024  # bytes that are kept: who says more before anybody has begun is not heard elsewhere


class Inputs:
    """The inputs of a call, which are kept as they are taken, until there are too many or somebody works on them.

    Whoever is cancelled while it waits for the next one has taken none, so that none is missing when they begin again.
    """

    __slots__ = ("_again", "_kept", "_said", "_size")

    def __init__(self, said: AsyncIterator[Payload]) -> None:
        self._said = said
        self._kept: list[Payload] | None = []  # None once they are not whole
        self._again: deque[Payload] = deque()  # what was taken before and is to be taken again
        self._size = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Payload:
        payload = self._again.popleft() if self._again else await anext(self._said)
        if self._kept is not None:
            self._size += _size(payload)
            self._kept.append(payload)
            if self._size > MOST:
                self._kept = None
        return payload

    def let_go(self) -> None:
        """Somebody has begun to work on them."""
        self._kept = None

    def rewind(self) -> bool:
        """Begin again with the first one; False where they are not whole any more."""
        if self._kept is None:
            return False
        self._again.extendleft(reversed(self._kept))
        self._kept, self._size = [], 0
        return True


def _size(payload: Payload) -> int:
    if not isinstance(payload, Carried) and isinstance(payload.body, bytes):
        return len(payload.body)
    return passed_on(payload).ByteSize()
