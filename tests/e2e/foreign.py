"""The examples in other languages, as commands."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.nodes import RunningNode
from tests.e2e.processes import Program


@dataclass(frozen=True, slots=True)
class Foreign:
    """The examples of one language: an agent that attaches, and a client."""

    agent: str
    relay: tuple[str, ...]
    call: tuple[str, ...]

    def ask(self, node: RunningNode, agent: str, capability: str, said: object) -> subprocess.CompletedProcess[str]:
        """Call an agent with this language's client."""
        command = (*self.call, agent, capability, json.dumps(said))
        environ = os.environ | node.environ
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def attached(self, node: RunningNode) -> Iterator[Program]:
        """Serve this language's agent until the block ends."""
        with Program(self.relay, node.environ) as program:
            program.line(f"attached {self.agent} to ")
            yield program


def in_go(folder: Path) -> Foreign:
    """The examples in Go."""
    return Foreign("relay-go", (str(folder / "relay"),), (str(folder / "call"),))


def in_typescript(folder: Path) -> Foreign:
    """The examples in TypeScript."""
    return Foreign("relay-typescript", ("node", str(folder / "relay.js")), ("node", str(folder / "call.js")))
