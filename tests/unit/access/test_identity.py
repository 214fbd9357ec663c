"""A node's identity: it signs, others check, and nobody else can sign in its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.access.identity import FILE, Identity, Signatures
from a2a_node.model.errors import SettingInvalid


def test_what_a_node_signs_others_believe(tmp_path: Path) -> None:
    """By the public key that stands in the registry; not a changed word of it, nor in another's name."""
    one, two = Identity.kept_in(tmp_path / "one", "one"), Identity.kept_in(tmp_path / "two", "two")
    keys = {"one": one.public_key, "two": two.public_key, "odd": "?"}
    signatures = Signatures(lambda node: keys.get(node, ""))
    signature = one.sign(b"word")
    assert signatures.good("one", signature, b"word")
    assert not signatures.good("one", signature, b"ward")
    for other in ("two", "odd", "unknown"):
        assert not signatures.good(other, signature, b"word")
    assert not signatures.good("one", b"", b"word")


def test_a_node_stays_the_same_from_start_to_start(tmp_path: Path) -> None:
    """Its key is its owner's alone to read."""
    first = Identity.kept_in(tmp_path, "one")
    assert Identity.kept_in(tmp_path, "one").public_key == first.public_key
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Rather than replaced: other nodes know the key that it held."""
    (tmp_path / FILE).write_text("nothing")
    with pytest.raises(SettingInvalid, match=FILE):
        Identity.kept_in(tmp_path, "one")
