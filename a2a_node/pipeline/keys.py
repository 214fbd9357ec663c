"""The key of development: made on the first start, kept in the data directory, read by whoever may read that."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.places import KEY_FILE


def development_key(data_dir: Path) -> tuple[str, Path]:
    """The key and its file, made with mode 0600 when there is none; SettingInvalid when the file cannot be read."""
    file = data_dir / KEY_FILE
    try:
        if not file.exists():
            _make(file)
        return file.read_text().strip(), file
    except OSError as error:
        raise SettingInvalid("data_dir", f"{file} cannot be read or made: {error.strerror}") from None


def _make(file: Path) -> None:
    """Written whole or not at all: a node that is killed here leaves no half key."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(f"a2a_dev{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}\n")
    draft.rename(file)
