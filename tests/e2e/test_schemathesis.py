"""schemathesis asks a node whatever its document allows, and what it does not allow: nothing is found."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from tests.e2e import tools
from tests.e2e.nodes import running_node

CONFIG = Path(__file__).with_name("schemathesis") / "schemathesis.toml"
DOCUMENT = tools.ROOT / "docs" / "openapi.yaml"
METHODS = frozenset(("get", "post", "put", "patch", "delete"))
LEFT_OUT = re.compile(r"^include-operation-id-regex = \"(.+)\"$", re.MULTILINE)
PHASES = ("Examples", "Coverage", "Fuzzing")
PATIENCE = 600.0  # seconds; nothing depends on how many it takes


def operations() -> int:
    """How many the document has, but for those that the settings leave out."""
    left_out = LEFT_OUT.search(CONFIG.read_text(encoding="utf-8"))
    assert left_out is not None
    paths = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    names = [each["operationId"] for item in paths.values() for method, each in item.items() if method in METHODS]
    return sum(re.search(left_out[1], name) is None for name in names)


def test_schemathesis_finds_nothing(open_folder: Path) -> None:
    """Every operation was tried, through all phases; on a node of its own, as it leaves agents and grants behind."""
    with running_node(open_folder / "fuzzed") as node:
        said = subprocess.run(
            (tools.schemathesis(), "--config-file", CONFIG, "run", DOCUMENT, "--url", f"http://{node.http}"),
            env={"A2A_KEY": node.key, "PATH": "/usr/bin:/bin", "HOME": str(open_folder), "NO_COLOR": "1"},
            cwd=open_folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert said.returncode == 0, f"{said.stdout[-8000:]}{said.stderr[-2000:]}"
    summary = said.stdout.partition("SUMMARY")[2]
    tried = re.search(r"Tested: (\d+)", summary)
    assert tried is not None, summary
    assert int(tried[1]) == operations()
    for phase in PHASES:
        assert f"✅ {phase}" in summary, summary
