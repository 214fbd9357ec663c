"""The key of development: made once, kept, nobody else's to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.pipeline.keys import development_key


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """Only its owner may read the file."""
    key, file = development_key(tmp_path)
    assert key.startswith("a2a_dev")
    assert file.stat().st_mode & 0o777 == 0o600
    assert development_key(tmp_path) == (key, file)


def test_a_half_made_key_of_a_killed_start_is_made_anew(tmp_path: Path) -> None:
    """It never becomes the key."""
    (tmp_path / "dev.new").write_text("a2a_de")
    key, _ = development_key(tmp_path)
    assert len(key) > 40


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the setting to change."""
    with pytest.raises(SettingInvalid, match="data_dir"):
        development_key(tmp_path / "nowhere")
