"""The WebSockets that this node has open, counted by whoever serves them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from a2a_node.web.figures import Figure


class Sockets:
    """A number that goes up and down."""

    def __init__(self) -> None:
        self._open = 0

    def __len__(self) -> int:
        return self._open

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One more until the block ends."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def of_sockets(sockets: Sockets) -> Sequence[Figure]:
    """How many there are now."""
    return (Figure("a2a_open_websockets", "WebSocket connections that are open", lambda: len(sockets)),)
