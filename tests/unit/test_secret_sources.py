"""Where secret settings come from: written out, or in a file; what Vault has is in the integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.cli.settings import settings_of
from a2a_node.model.errors import SettingInvalid
from a2a_node.secret_sources import BYTES, Files, SecretUnreadable, Vault, secret


@pytest.mark.parametrize("said", ["", "postgresql://ann:pw@127.0.0.1/mesh", "redis://:pw@127.0.0.1:6379/0", "plain"])
def test_what_names_no_source_is_the_secret_itself(said: str) -> None:
    """URLs, too, have a colon."""
    assert secret(said) == said


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_is_read_without_the_end_of_its_line(tmp_path: Path, end: str) -> None:
    """As `echo` writes it, or a mount of Kubernetes."""
    kept = tmp_path / "secret"
    kept.write_bytes(b"hush hush" + end.encode())
    assert secret(f"file:{kept}") == "hush hush"


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"\xff", "UTF-8"), (b"x" * (BYTES + 1), "longer than")]
)
def test_a_file_that_is_no_secret_is_refused_with_the_reason(tmp_path: Path, content: bytes | None, why: str) -> None:
    """By its name, and without a word of what it says."""
    kept = tmp_path / "secret"
    if content is not None:
        kept.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=why):
        Files().read(str(kept))


@pytest.mark.parametrize("place", ["", "secret", "secret/mesh", "secret#field", "/mesh#field", "secret/mesh#"])
def test_vault_is_not_asked_for_what_is_no_place(place: str) -> None:
    """It says what a place looks like."""
    with pytest.raises(SecretUnreadable, match="vault:MOUNT/PATH#FIELD"):
        Vault({}).read(place)


def test_settings_are_fetched_and_their_names_told(tmp_path: Path) -> None:
    """Both stores from files; a missing one names the setting."""
    kept = tmp_path / "url"
    kept.write_text("postgresql://ann:pw@db/mesh\n")
    settings = settings_of({"postgres_url": f"file:{kept}"})
    assert settings.postgres_url.get_secret_value() == "postgresql://ann:pw@db/mesh"
    with pytest.raises(SettingInvalid, match=r"setting redis_url: file:.*: No such file"):
        settings_of({"redis_url": f"file:{tmp_path / 'absent'}"})
