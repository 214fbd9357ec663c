"""The data directory: where it is, who may look into it, and that one process alone holds it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from a2a_node.model.errors import DataDirectoryBusy, StoreStartFailed
from a2a_node.store.embedded import held
from a2a_node.store.embedded.access import Access, kept_access
from a2a_node.store.embedded.files import LOG_BYTES, may, reaches, rotate, tail
from a2a_node.store.embedded.programs import program
from a2a_node.store.embedded.system import ServerUser, lock
from a2a_node.store.embedded.valkey import synced
from a2a_node.store.files import write_private

NOBODYS_PID = str(1 << 22 | 1)  # beyond those that a system gives
STRANGER = ServerUser("stranger", 54321, 54321)


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """A umask that lets nobody else do anything."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_held_directory_is_refused_to_others(tmp_path: Path) -> None:
    """The second is told the pid of the first, until the first lets go."""
    with held(tmp_path / "data"), pytest.raises(DataDirectoryBusy, match=str(os.getpid())), held(tmp_path / "data"):
        pass
    with held(tmp_path / "data"):
        pass


def test_a_refused_holder_disturbs_nothing(tmp_path: Path) -> None:
    """A third one is told the same as the second."""
    with held(tmp_path):
        for _ in range(2):
            with pytest.raises(DataDirectoryBusy, match=str(os.getpid())), held(tmp_path):
                pass


@pytest.mark.usefixtures("strict_umask")
def test_a_new_directory_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    """Root's may be passed through by the stores' user, and so may what was missing above it."""
    with held(tmp_path / "above" / "data") as directory:
        wanted = 0o711 if os.geteuid() == 0 else 0o700
        assert [mode(directory.path), mode(directory.path.parent)] == [wanted, wanted]


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    """A file in the way is no stack trace."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreStartFailed, match=r"file/data cannot be used: Not a directory; .*--data-dir"),
        held(tmp_path / "file" / "data"),
    ):
        pass


def test_a_missing_wheel_is_named_with_the_way_out(tmp_path: Path) -> None:
    """Where there is no wheel, `serve` with addresses is what to do."""
    with held(tmp_path) as directory, pytest.raises(StoreStartFailed, match="not installed") as failure:
        program("no-such-wheel", "bin/server", directory)
    for word in ("A2A_POSTGRES_URL", "A2A_REDIS_URL", "a2a-node serve"):
        assert word in failure.value.message


def test_an_access_is_kept_privately_and_shown_without_its_password(tmp_path: Path) -> None:
    """It comes back from its file as it was."""
    access = Access(15432, "hidden")
    access.write(tmp_path / "secret")
    assert kept_access(tmp_path / "secret") == access
    assert kept_access(tmp_path / "other") is None
    assert mode(tmp_path / "secret") == 0o600
    assert "hidden" not in repr(access)


def test_a_private_file_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    """Nobody can turn the write to another file."""
    (tmp_path / "precious").write_text("kept")
    for name in ("secret", "secret.new"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    write_private(tmp_path / "secret", "text")
    assert (tmp_path / "precious").read_text() == "kept"
    assert (tmp_path / "secret").read_text() == "text"


def test_a_log_ends_with_what_this_start_wrote(tmp_path: Path) -> None:
    """What earlier starts wrote is left out, and a start that wrote nothing says so."""
    log = tmp_path / "log"
    log.write_text("old\n")
    since = rotate(log)
    assert tail(log, since) == "nothing"
    log.write_text("old\nnew\n")
    assert tail(log, since) == "new"


def test_a_long_log_is_set_aside(tmp_path: Path) -> None:
    """Two files at most remain of it."""
    log = tmp_path / "log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    assert rotate(log) == 0
    assert not log.exists()
    assert (tmp_path / "log.1").stat().st_size == LOG_BYTES + 1
    assert tail(log, 0) == "nothing"


@pytest.mark.parametrize(("bits", "wanted", "allowed"), [(0o700, 1, False), (0o711, 1, True), (0o711, 5, False)])
def test_a_mode_says_what_a_stranger_may_do(tmp_path: Path, *, bits: int, wanted: int, allowed: bool) -> None:
    """The bits of others count for those who are neither owner nor group."""
    tmp_path.chmod(bits)
    assert may(STRANGER, tmp_path, wanted) is allowed


def test_one_closed_folder_on_the_way_is_enough(tmp_path: Path) -> None:
    """A path is reached only through folders that are all open."""
    (tmp_path / "open" / "inner").mkdir(parents=True)
    tmp_path.chmod(0o700)
    assert not reaches(STRANGER, tmp_path / "open" / "inner")
    assert reaches(STRANGER, Path("/file"))


def test_a_holder_that_was_killed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that it was starting holds the lock a moment longer, which is no reason to refuse."""
    (tmp_path / "lock").write_text(NOBODYS_PID)
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    assert lock(descriptor)
    monkeypatch.setattr("a2a_node.store.embedded.directory.time.sleep", lambda _seconds: os.close(descriptor))
    with held(tmp_path) as directory:
        assert (directory.path / "lock").read_text() == str(os.getpid())


def test_the_disk_is_asked_to_keep_a_file_that_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for what was written, and not for a file that Valkey has deleted meanwhile."""
    asked: list[int] = []
    monkeypatch.setattr(os, "fsync", asked.append)
    file = tmp_path / "appendonly.aof.1.incr.aof"
    file.write_bytes(b"12345")
    assert [synced(file, 0), synced(file, 5), len(asked)] == [5, 5, 1]
    file.unlink()
    assert [synced(file, 5), len(asked)] == [5, 1]
