"""Load from the generator in load/: built once, run for a row, read as figures."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import ROOT

BINARY = ROOT / "build" / "tools" / "bin" / "load"
SOURCE = Path(__file__).with_name("load")
WORKERS = 16  # calls under way, where nothing else is said


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run of the generator saw; latencies in milliseconds."""

    calls: int
    errors: int
    error: str
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class Target:
    """What is called: where, which method, with which message and key."""

    address: str
    method: str
    body: bytes
    key_file: str = ""

    def loaded(self, seconds: float, *, rate: float = 0, workers: int = WORKERS) -> Figures:
        """Call it for so long, as fast as it goes or at `rate` calls per second."""
        options = {
            "target": self.address,
            "method": self.method,
            "body": self.body.hex(),
            "key-file": self.key_file,
            "seconds": str(seconds),
            "rate": str(rate),
            "workers": str(workers),
        }
        command = [str(BINARY), *(f"-{name}={value}" for name, value in options.items())]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30)
        return Figures(**json.loads(done.stdout))


def build() -> None:
    """Build the generator; SystemExit says that Go is needed."""
    if shutil.which("go") is None:
        raise SystemExit("make bench needs Go for its load generator: install Go 1.26 or newer")
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "build", "-o", str(BINARY), "."], cwd=SOURCE, check=True)
