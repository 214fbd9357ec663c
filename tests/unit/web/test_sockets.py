"""Open WebSockets are counted while they are open."""

from __future__ import annotations

import pytest

from a2a_node.web.sockets import Sockets, of_sockets


def test_each_counts_until_it_is_closed() -> None:
    """However it ends."""
    sockets = Sockets()
    (figure,) = of_sockets(sockets)

    def lost() -> None:
        with sockets.counted():
            assert figure.read() == 2
            raise ConnectionResetError

    with sockets.counted():
        with pytest.raises(ConnectionResetError):
            lost()
        assert figure.read() == 1
    assert figure.read() == 0
