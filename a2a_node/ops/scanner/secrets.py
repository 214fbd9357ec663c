"""Secrets that lie in files: by their form, and by how much chance there is in what is assigned to a telling name.

What is found is never shown: neither the message nor the fingerprint has anything of the secret in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2
from pathlib import Path

from a2a_node.ops.findings import Finding, Fingerprints, Place, Severity, Skipped
from a2a_node.ops.trees import Stop, check_awaited, files, told

MOST_BYTES = 2 * 2**20
PIECE, OVERLAP = 4_096, 256  # characters: a pattern holds the interpreter while it looks
ALLOWED = re.compile(r"(?:pragma: allowlist secret|secret-scan: allow|gitleaks:allow)")
MOST_OF_ONE_FILE = 200


@dataclass(frozen=True, slots=True)
class Rule:
    """A form that secrets of one kind have; group 1 is the secret."""

    name: str
    severity: Severity
    what: str
    pattern: re.Pattern[str]
    chance: float = 0.0  # bits per character that it must have at least


RULES = (
    Rule("private-key", "critical", "a private key", re.compile(r"(-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----)")),
    Rule("aws-access-key", "high", "an access key of AWS", re.compile(r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b")),
    Rule("github-token", "critical", "a token of GitHub", re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,255})\b")),
    Rule("github-token", "critical", "a token of GitHub", re.compile(r"\b(github_pat_[A-Za-z0-9_]{50,255})\b")),
    Rule("gitlab-token", "critical", "a token of GitLab", re.compile(r"\b(glpat-[A-Za-z0-9_-]{20,64})")),
    Rule("slack-token", "high", "a token of Slack", re.compile(r"\b(xox[abprs]-[A-Za-z0-9-]{10,200})")),
    Rule("google-key", "high", "a key of Google", re.compile(r"\b(AIza[0-9A-Za-z_-]{35})")),
    Rule("stripe-key", "critical", "a live key of Stripe", re.compile(r"\b((?:sk|rk)_live_[0-9A-Za-z]{16,128})\b")),
    Rule("pypi-token", "critical", "a token of PyPI", re.compile(r"\b(pypi-AgE[A-Za-z0-9_-]{50,300})")),
    Rule("mesh-key", "critical", "a key of this mesh", re.compile(r"\b(a2a_[a-z2-7]{8,16}_[A-Za-z0-9_-]{40,64})")),
    Rule("jwt", "medium", "a signed token", re.compile(r"\b(eyJ[\w-]{8,512}\.eyJ[\w-]{8,2048}\.[\w-]{16,512})")),
    Rule(
        "url-password",
        "high",
        "a password in an address",
        re.compile(r"\w{2,20}://[^\s:/@'\"]{1,64}:([^\s:/@'\"{}$<]{4,128})@"),
    ),
    Rule(
        "assigned-secret",
        "high",
        "what looks like a password or key that is assigned to such a name",
        re.compile(
            r"(?i)(?:password|passwd|secret|token|api_?key|access_?key|private_?key|credential)\w{0,30}"
            r"['\"]?\s{0,4}(?:=>|:=|=|:)\s{0,4}['\"]([^'\"\s]{12,256})['\"]"
        ),
        chance=3.2,
    ),
    Rule(
        "assigned-secret",
        "high",
        "what looks like a password or key that a program is given in its environment",
        re.compile(
            r"^\s{0,8}(?:export\s{1,4})?\w{0,40}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)"
            r"\w{0,40}=([^'\"\s$()]{12,256})$"
        ),
        chance=3.2,
    ),
)
PLACEHOLDER = re.compile(
    r"(?i)example|changeme|change-me|placeholder|dummy|your[-_]|xxxx|<[^>]*>|\$\{|\{\{|\{[\w.]{0,40}\}|%\("
    r"|^(?:password|passwd|pass|secret|token|key|user|admin|test)$"
)


@dataclass(slots=True)
class Search:
    """Looks through a folder; what it could not look at is `skipped`."""

    skipped: list[Skipped] = field(default_factory=list)
    looked_at: int = 0
    _prints: Fingerprints = field(default_factory=Fingerprints)

    def through(self, field_: str, folder: Path, stop: Stop = lambda: False) -> Iterator[Finding]:
        """What is found in the files of a folder; InvalidInput; AgentRefused once `stop` says that nobody waits."""
        for file in files(field_, folder):
            check_awaited(stop)
            path = told(file, folder)
            text = self._text(file, path)
            if text is not None:
                self.looked_at += 1
                yield from self._file(path, text)

    def _text(self, file: Path, path: str) -> str | None:
        size = file.stat().st_size
        if size > MOST_BYTES:
            self.skipped.append(Skipped(path=path, why=f"has {size:,} bytes, the limit is {MOST_BYTES:,}"))
            return None
        data = file.read_bytes()
        if b"\0" in data[:8_192]:
            self.skipped.append(Skipped(path=path, why="is no text"))
            return None
        return data.decode(errors="replace")

    def _file(self, path: str, text: str) -> Iterator[Finding]:
        count = 0
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if _allowed(lines, number):
                continue
            for rule, masked in _found(line):
                count += 1
                if count > MOST_OF_ONE_FILE:
                    self.skipped.append(Skipped(path=path, why=f"has over {MOST_OF_ONE_FILE}; the rest is left out"))
                    return
                yield self._finding(rule, Place(path=path, line=number), masked)

    def _finding(self, rule: Rule, place: Place, masked: str) -> Finding:
        return Finding(
            rule=f"secret-{rule.name}",
            severity=rule.severity,
            place=place,
            message=f"{rule.what} lies here: take it out, and replace it, for it is known now",
            fingerprint=self._prints.of("secret", rule.name, place.path, masked),
        )


def _allowed(lines: Sequence[str], number: int) -> bool:
    """Whether a comment in a line, or alone in the line before, says that what is there may be there."""
    before = lines[number - 2].strip() if number > 1 else ""
    alone = before.startswith(("#", "//", "--", "<!--", "/*")) and ALLOWED.search(before)
    return bool(alone or ALLOWED.search(lines[number - 1][-PIECE:]))


def _found(line: str) -> Iterator[tuple[Rule, str]]:
    """The rules that a line breaks, each once, with the line as it is without its secret."""
    broken: set[str] = set()
    for piece in _pieces(line):
        for rule in RULES:
            if rule.name in broken or (rule.chance and broken):
                continue  # it has a better name already
            for secret in rule.pattern.finditer(piece):
                if not PLACEHOLDER.search(secret[1]) and entropy(secret[1]) >= rule.chance:
                    broken.add(rule.name)
                    yield rule, f"{piece[: secret.start(1)][-80:]}***"
                    break


def _pieces(line: str) -> Iterator[str]:
    for begin in range(0, max(1, len(line)), PIECE - OVERLAP):
        yield line[begin : begin + PIECE]


def entropy(text: str) -> float:
    """How much chance there is in a text: bits per character."""
    size = len(text)
    return -sum(count / size * log2(count / size) for count in Counter(text).values()) if size else 0.0
