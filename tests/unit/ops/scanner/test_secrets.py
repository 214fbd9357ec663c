"""Secrets in files: what is found, what is let be, and what is not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.agent import AgentRefused
from a2a_node.ops.findings import Finding
from a2a_node.ops.scanner.secrets import MOST_BYTES, MOST_OF_ONE_FILE, Search, entropy
from tests.unit.ops.scanner.planted import chance, github_token


def found(folder: Path, text: str | bytes, name: str = "a.txt") -> tuple[list[Finding], Search]:
    """What is found in a file of that text."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    search = Search()
    return list(search.through("input.path", folder)), search


KEY = "-----BEGIN {}PRIVATE KEY-----"
PLANTED = {
    "private-key": KEY.format("RSA "),
    "aws-access-key": f"key = AKIA{chance(16).upper()}",
    "github-token": github_token(),
    "slack-token": f"xoxb-{chance(24)}",
    "google-key": f"AIza{chance(35)}",
    "stripe-key": f"sk_live_{chance(24)}",
    "mesh-key": f"a2a_{'abcdefghij'}_{chance(43)}",
    "jwt": f"eyJ{chance(20)}.eyJ{chance(40)}.{chance(43)}",
    "url-password": f"postgres://app:{chance(12)}@db/app",
    "assigned-secret": f'api_key: "{chance(20)}"',
}


@pytest.mark.parametrize("rule", PLANTED)
def test_each_form_is_found(tmp_path: Path, rule: str) -> None:
    """By its own name, in its line."""
    findings, _ = found(tmp_path, f"first\n{PLANTED[rule]}\nlast\n")
    assert [(each.rule, each.place.line) for each in findings] == [(f"secret-{rule}", 2)]


def test_a_secret_of_the_environment_is_found(tmp_path: Path) -> None:
    """In a file of the kind that programs are started with, without quotes."""
    findings, _ = found(tmp_path, f"export DB_PASSWORD={chance(20)}\nDB_HOST=db\n", ".env")
    assert [each.rule for each in findings] == ["secret-assigned-secret"]


@pytest.mark.parametrize(
    "line",
    [
        'password = "aaaaaaaaaaaaaaaa"',
        'password = os.environ["DB_PASSWORD"]',
        'token = "${{ secrets.TOKEN_OF_THE_JOB }}"',
        'secret = "your-secret-key-goes-here"',
        "postgres://app:${PASSWORD}@db/app",
        "postgres://user:password@host/app",
        'token = "{0.principal.name}"',
        f"{github_token()}  # pragma: allowlist secret",
        f"# secret-scan: allow\n{github_token()}",
    ],
)
def test_what_is_no_secret_is_let_be(tmp_path: Path, line: str) -> None:
    """Placeholders, variables, words without chance in them, and what a comment allows."""
    assert found(tmp_path, f"{line}\n")[0] == []


def test_a_secret_keeps_its_fingerprint_when_its_line_moves(tmp_path: Path) -> None:
    """And a second one beside it has another one."""
    token = github_token()
    before, _ = found(tmp_path, f"a {token}\n")
    after, _ = found(tmp_path, f"new\n\na {token}\na {token}\n")
    assert before[0].fingerprint == after[0].fingerprint != after[1].fingerprint


def test_a_secret_behind_a_placeholder_is_found(tmp_path: Path) -> None:
    """In the same line, however long it is."""
    text = f"AKIAEXAMPLEEXAMPLE12 {'x ' * 5_000} AKIA{chance(16).upper()}"
    assert [each.rule for each in found(tmp_path, text)[0]] == ["secret-aws-access-key"]


def test_what_is_no_text_or_too_long_is_not_looked_at_and_told(tmp_path: Path) -> None:
    """A picture, and a file of many megabytes."""
    (tmp_path / "p.png").write_bytes(b"\x89PNG\0" + github_token().encode())
    findings, search = found(tmp_path, b"x" * (MOST_BYTES + 1))
    assert findings == []
    assert {each.path for each in search.skipped} == {"a.txt", "p.png"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Nor do tools' own folders count."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text(github_token())
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text(github_token())
    (tmp_path / "link").symlink_to(outside)
    assert found(tmp_path, "nothing")[0] == []


def test_a_file_full_of_secrets_is_told_once(tmp_path: Path) -> None:
    """After so many the rest is left out, and that is said."""
    findings, search = found(tmp_path, f"{github_token()}\n" * (MOST_OF_ONE_FILE + 5))
    assert len(findings) == MOST_OF_ONE_FILE
    assert len(search.skipped) == 1


def test_nobody_waits_any_more(tmp_path: Path) -> None:
    """Then no further file is opened."""
    (tmp_path / "a.txt").write_text(github_token())
    with pytest.raises(AgentRefused, match="nobody waits"):
        list(Search().through("input.path", tmp_path, lambda: True))


def test_chance_is_told_in_bits() -> None:
    """None in one letter again and again; two bits in four."""
    assert [entropy(text) for text in ("", "aaaa", "abcd")] == [0.0, 0.0, 2.0]
