"""Secrets as they stand in the store: readable by those who have the passphrase, in the place that they are for."""

from __future__ import annotations

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.store.sealed import Sealing

VALUES = {"KEY": "s3cr3t", "OTHER": "ä\n"}


@pytest.mark.parametrize("passphrase", ["", "of the mesh"])
def test_values_go_round(passphrase: str) -> None:
    """With a passphrase nobody reads them beside; each time they are written otherwise."""
    sealing = Sealing(passphrase)
    text = sealing.sealed(VALUES, "files")
    assert Sealing(passphrase).opened(text, "files") == VALUES
    assert "s3cr3t" not in text
    assert (sealing.sealed(VALUES, "files") == text) is not bool(passphrase)
    assert (sealing.sealed({}, "files"), sealing.opened("", "files")) == ("", {})


def test_another_passphrase_opens_nothing() -> None:
    """Nor does the right one in another place: what is sealed for one server is of no use for another."""
    text = Sealing("of the mesh").sealed(VALUES, "files")
    for passphrase, place in (("another", "files"), ("", "files"), ("of the mesh", "web")):
        with pytest.raises(SettingInvalid, match="mesh_passphrase") as refused:
            Sealing(passphrase).opened(text, place)
        assert "s3cr3t" not in str(refused.value)


def test_what_was_written_without_a_passphrase_is_read_with_one() -> None:
    """A mesh may get one later."""
    assert Sealing("of the mesh").opened(Sealing().sealed(VALUES, "files"), "files") == VALUES
