"""Where a node and its clients find each other on one machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from a2a_node.model.places import DEFAULT_ADDRESS, client_key, default_data_dir, node_address


def test_a_data_directory_is_where_it_was_told_to_be(tmp_path: Path) -> None:
    """Whoever runs the node."""
    assert default_data_dir({"A2A_DATA_DIR": str(tmp_path)}) == tmp_path


def test_users_have_a_data_directory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their system keeps state; the machine's own place is for root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_data_dir({}) == Path("/home/ada/.local/state/a2a-node")
    assert default_data_dir({"XDG_STATE_HOME": "/state"}) == Path("/state/a2a-node")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir({}) == Path("/var/lib/a2a-node")


def test_a_node_is_looked_for_where_the_environment_says() -> None:
    """Or where nodes listen by default."""
    assert node_address({"A2A_ADDRESS": "far:1"}) == "far:1"
    assert node_address({}) == DEFAULT_ADDRESS


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("127.0.0.1:50051", "of this machine"),
        ("localhost:50051", "of this machine"),
        ("[::1]:50051", "of this machine"),
        ("unix:/run/node", "of this machine"),
        ("mesh.example:50051", ""),
        ("127.example:50051", ""),
        ("localhost.example:50051", ""),
    ],
)
def test_the_key_of_this_machine_never_leaves_it(tmp_path: Path, address: str, key: str) -> None:
    """A node elsewhere learns nothing of it."""
    (tmp_path / "dev.key").write_text("of this machine\n")
    assert client_key(address, {"A2A_DATA_DIR": str(tmp_path)}) == key


def test_a_chosen_key_goes_wherever_it_is_told_to(tmp_path: Path) -> None:
    """Without looking for another one."""
    (tmp_path / "dev.key").write_text("of this machine")
    environ = {"A2A_DATA_DIR": str(tmp_path), "A2A_KEY": "chosen"}
    assert [client_key(address, environ) for address in ("localhost:1", "far:1")] == ["chosen", "chosen"]


def test_a_key_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """The node will say that one is missing."""
    assert client_key("localhost:1", {"A2A_DATA_DIR": str(tmp_path / "nowhere")}) == ""
