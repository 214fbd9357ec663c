"""The file of issuers: what may stand there, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.node.issuers import trusted

GOOD = """
[[issuer]]
issuer = "https://id.test/"
audience = ["mesh", "other"]
jwks = "keys.json"

[[issuer]]
issuer = "shared"
audience = "mesh"
secret_file = "secret"
claim = "login"
kind = "person"
"""


def written(folder: Path, text: str) -> Path:
    """The file, beside a secret and a short one."""
    (folder / "secret").write_text("x" * 32 + "\n")
    (folder / "short").write_text("x" * 31)
    file = folder / "issuers.toml"
    file.write_text(text)
    return file


def test_issuers_stand_in_a_file(tmp_path: Path) -> None:
    """Files that it names lie beside it; without one, nobody else is trusted."""
    published, shared = trusted(written(tmp_path, GOOD))
    assert (published.name, published.audience, published.jwks) == (
        "https://id.test/",
        ("mesh", "other"),
        str(tmp_path / "keys.json"),
    )
    assert published.algorithms == {"EdDSA", "ES256", "RS256"}
    assert shared.algorithms == {"HS256"}
    assert (shared.secret, shared.claim, shared.kind) == (b"x" * 32, "login", "person")
    assert "xxx" not in repr(shared)
    assert trusted(None) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("issuer = 7", "issuer"),
        ("[[issuer]", "Expected"),
        ('[[issuer]]\nissuer = "i"\njwks = "k"', "audience"),
        ('[[issuer]]\nissuer = "i"\naudience = []\njwks = "k"', "an audience is needed"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"', "either jwks or secret_file"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "k"\nsecret_file = "secret"', "either jwks or secret_file"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "http://id.test/k"', "must be https"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "file:///k"', "must be https"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "k"\nalgorithms = ["HS256"]', "'HS256' is none of"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "k"\nalgorithms = ["none"]', "'none' is none of"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\nsecret_file = "short"', "at least 32 bytes"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\nsecret_file = "missing"', "missing"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "k"\nkinds = ["robot"]', "'robot' is none of"),
        ('[[issuer]]\nissuer = "a2amesh"\naudience = "a"\njwks = "k"', "the mesh itself"),
        ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "k"\nsecret = "s"', "secret"),
        (GOOD + GOOD, "stands there twice"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, why: str) -> None:
    """With the file's name, before the node starts."""
    with pytest.raises(SettingInvalid, match="issuers") as refusal:
        trusted(written(tmp_path, text))
    assert why in refusal.value.message
    assert "issuers.toml" in refusal.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As every other setting."""
    with pytest.raises(SettingInvalid, match=r"none\.toml"):
        trusted(tmp_path / "none.toml")
