"""The page of the settings."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from a2a_node.cli.settings import variable
from a2a_node.model.places import default_data_dir
from a2a_node.settings import Settings

HEAD = """# Settings

Every setting is a variable and an option of `a2a-node serve` and `a2a-node up`; the option goes before the variable.
Secrets may say where they are: [file: and vault:](../identity.md#secrets).

| variable | option | default | what it is |
|---|---|---|---|
"""


def page() -> str:
    """A row for each setting."""
    return HEAD + "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        yield f"| `{variable(name)}` | `{flag}` | {_default(field)} | {_cell(field.description or '')} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        return "none, secret"
    if value == default_data_dir():
        return "`~/.local/state/a2a-node`, as root `/var/lib/a2a-node`"
    if value in (None, "", ()):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
