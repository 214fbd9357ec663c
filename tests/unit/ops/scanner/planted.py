"""A small project with faults planted in it, and secrets that are made when they are needed: none lies in this file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from a2a_node.ops.programs import SENSIBLE, Programs
from a2a_node.ops.workplace import Workplace


def chance(size: int, seed: str = "s") -> str:
    """Letters and digits that look like chance and are the same each time."""
    data = b"".join(sha256(f"{seed}{turn}".encode()).digest() for turn in range(size // 32 + 2))
    return base64.b64encode(data, altchars=b"Ab").decode().replace("=", "")[:size]


def github_token() -> str:
    """What has the form of a token."""
    return f"ghp_{chance(36)}"


ADVISORIES = [
    {
        "id": "PYSEC-2018-28",
        "aliases": ["CVE-2018-18074", "GHSA-x84v-xcm2-53pg"],
        "summary": "requests sends credentials to another host after a redirect",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Requests"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
                "versions": ["2.19.1"],
            }
        ],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    },
    {
        "id": "GHSA-x84v-xcm2-53pg",
        "aliases": ["CVE-2018-18074"],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "requests"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
            }
        ],
    },
    {
        "id": "OTHER-1",
        "affected": [{"package": {"ecosystem": "npm", "name": "requests"}, "versions": ["2.19.1"]}],
    },
    {
        "id": "GONE-1",
        "withdrawn": "2020-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "requests"}, "versions": ["2.19.1"]}],
    },
]


def project(root: Path) -> Mapping[str, str]:
    """Write the project below a folder; the secrets that lie in it, by file."""
    app = root / "app"
    app.mkdir(parents=True)
    secrets = {"app/settings.py": chance(24, "password"), "app/client.py": github_token()}
    (app / "settings.py").write_text(f'import os\n\nDB_PASSWORD = "{secrets["app/settings.py"]}"\n')
    (app / "client.py").write_text(f'TOKEN = "{secrets["app/client.py"]}"\n')
    (app / "run.py").write_text("import subprocess\n\n\ndef run(line):\n    return subprocess.run(line, shell=True)\n")
    (app / ".bandit").write_text("[bandit]\nskips: B602\n")
    requirements = ("# what it needs", "requests[socks]==2.19.1 ; python_version > '3'", "flask>=1")
    (root / "requirements.txt").write_text("\n".join(requirements))
    (root / "advisories.json").write_text(json.dumps(ADVISORIES))
    return secrets


def workplace(root: Path) -> Workplace:
    """A workplace in a folder, with the programs of the default."""
    return Workplace(root, Programs.of(SENSIBLE))
