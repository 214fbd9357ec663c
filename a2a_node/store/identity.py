"""The node's own name: made on the first start, kept in the data directory, so that a restart is the same node."""

from __future__ import annotations

import secrets
from pathlib import Path

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.names import NAME

FILE = "node.id"


def node_id(data_dir: Path, chosen: str = "") -> str:
    """The chosen name, or the one that is kept, or a new one; SettingInvalid when the file cannot be used."""
    if chosen:
        return chosen
    file = data_dir / FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            draft = file.with_suffix(".new")
            draft.write_text(f"node-{secrets.token_hex(4)}\n")
            draft.rename(file)
        name = file.read_text().strip()
    except OSError as error:
        raise SettingInvalid("data_dir", f"{file} cannot be read or made: {error.strerror}") from None
    if not NAME.fullmatch(name):
        raise SettingInvalid("data_dir", f"{file} holds no node's name; remove it")
    return name
