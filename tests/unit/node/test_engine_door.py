"""The engine's door: a socket for this user alone, wherever the data directory is, and a key that nobody prints."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.node.engine_door import LONGEST, engine_door


def socket_of(address: str) -> Path:
    """The file of the socket."""
    assert address.startswith("unix:/")
    return Path(address.removeprefix("unix:"))


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a short name."""
    with tempfile.TemporaryDirectory(prefix="a2a-door-") as place:
        yield Path(place)


def test_its_directory_is_for_this_user_alone(short: Path) -> None:
    """Also when there was one before that was not; nodes that share a data directory have doors of their own."""
    (short / "engine").mkdir(mode=0o777)
    with engine_door(short, "one") as one, engine_door(short, "two") as two:
        assert socket_of(one.address).parent == short / "engine"
        assert (short / "engine").stat().st_mode & 0o777 == 0o700
        assert one.address != two.address
        assert one.key != two.key
        assert len(one.key) >= 43
        assert one.key not in repr(one)


def test_a_long_data_directory_has_its_socket_elsewhere(tmp_path: Path) -> None:
    """In a directory that goes with the node, for this user alone as well."""
    deep = tmp_path / ("d" * 100)
    with engine_door(deep, "one") as door:
        socket = socket_of(door.address)
        assert len(bytes(socket)) <= LONGEST
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert not socket.parent.exists()
    assert not deep.exists()


def test_a_place_that_cannot_be_made_is_said(short: Path) -> None:
    """Something else has its name."""
    (short / "engine").write_text("")
    with pytest.raises(SettingInvalid, match="for this user alone"), engine_door(short, "one"):
        pass
