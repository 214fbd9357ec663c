"""Which ops agents a node hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.node.operations import AGENTS, begun, chosen
from a2a_node.settings import Settings


def settings(folder: Path, **said: object) -> Settings:
    """Settings of a node that is not started."""
    return Settings.model_validate({"data_dir": folder, **said})


def test_a_node_hosts_what_it_is_told_to(tmp_path: Path) -> None:
    """Nothing unless told so, all with one word, and a wrong name is answered with the right ones."""
    assert chosen(settings(tmp_path)) == []
    assert chosen(settings(tmp_path, ops="all")) == list(AGENTS)
    with pytest.raises(SettingInvalid, match="no ops agent 'baker'; there are: all"):
        begun(settings(tmp_path, ops="baker"))
