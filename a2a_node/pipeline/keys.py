"""The key of development: made on the first start, kept in the data directory, read by whoever may read that."""

from __future__ import annotations

import secrets
from pathlib import Path

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.places import KEY_FILE
from a2a_node.store.files import write_private


def development_key(data_dir: Path) -> tuple[str, Path]:
    """The key and its file, made with mode 0600 when there is none; SettingInvalid when the file cannot be read."""
    file = data_dir / KEY_FILE
    try:
        if not file.exists():
            write_private(file, f"a2a_dev{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}\n")
        return file.read_text().strip(), file
    except OSError as error:
        raise SettingInvalid("data_dir", f"{file} cannot be read or made: {error.strerror}") from None
