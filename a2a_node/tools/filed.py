"""MCP servers from a file, in the form that MCP clients share: `{"mcpServers": {"NAME": {"command": …}}}`.

Beside the usual fields (`command`, `args`, `env`, `cwd`; `url`, `headers`) an entry may have `placement` and
`node_labels`. A value `${secret:NAME}` stands for a secret of the node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from a2a_node.model.errors import InvalidInput, SettingInvalid
from a2a_node.model.server_checks import checked_config, checked_server_id
from a2a_node.model.tool_ports import NewServer, Servers
from a2a_node.model.tools import Http, Placement, ServerConfig, ServerValue, Stdio

SETTING = "mcp_servers"
SECRET = re.compile(r"\$\{secret:([^}]*)\}")
OURS = frozenset({"placement", "node_labels"})
STDIO, HTTP = frozenset({"command", "args", "env", "cwd"}), frozenset({"url", "headers"})
IGNORED = frozenset({"type", "disabled"})  # other clients write them


def filed(path: Path) -> Sequence[NewServer]:
    """The servers of a file; SettingInvalid says what is wrong with it."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingInvalid(SETTING, f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingInvalid(SETTING, f"{path} is no JSON: {error}") from None
    servers = said.get("mcpServers") if isinstance(said, dict) else None
    if not isinstance(servers, dict):
        raise SettingInvalid(SETTING, f"{path} must have an object `mcpServers`")
    return [_server(name, entry) for name, entry in servers.items() if not _is_disabled(entry)]


async def entered(servers: Sequence[NewServer], store: Servers) -> None:
    """Have the mesh keep servers as their file says; those that are as it says stay as they are. StoreUnavailable."""
    known = {one.id: one.config for one in (await store.all())[1]}
    for new in servers:
        if known.get(new.id) != new.config:
            await store.add(new)


def _server(name: str, entry: object) -> NewServer:
    try:
        return NewServer(checked_server_id("name", name), checked_config(_config(entry)), replace=True)
    except InvalidInput as wrong:
        raise SettingInvalid(SETTING, f"server {name[:80]!r}: {wrong.message}") from None


def _config(entry: object) -> ServerConfig:
    if not isinstance(entry, dict):
        raise InvalidInput("config", "must be an object")
    kind = HTTP if "url" in entry else STDIO
    unknown = entry.keys() - kind - OURS - IGNORED
    if unknown:
        raise InvalidInput("config", f"has fields that are not known: {', '.join(sorted(unknown))}")
    try:
        placement = Placement(entry.get("placement", Placement.ONE_NODE))
    except ValueError:
        raise InvalidInput("placement", f"must be one of {', '.join(Placement)}") from None
    transport = _http(entry) if kind is HTTP else _stdio(entry)
    return ServerConfig(transport, placement, _texts("node_labels", entry))


def _stdio(entry: Mapping[str, object]) -> Stdio:
    args = entry.get("args", [])
    if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
        raise InvalidInput("args", "must be a list of texts")
    return Stdio(_text("command", entry), tuple(args), _values("env", entry), _text("cwd", entry))


def _http(entry: Mapping[str, object]) -> Http:
    return Http(_text("url", entry), _values("headers", entry))


def _text(field: str, entry: Mapping[str, object]) -> str:
    text = entry.get(field, "")
    if not isinstance(text, str):
        raise InvalidInput(field, "must be a text")
    return text


def _texts(field: str, entry: Mapping[str, object]) -> Mapping[str, str]:
    texts = entry.get(field, {})
    if not isinstance(texts, dict) or not all(isinstance(each, str) for each in texts.values()):
        raise InvalidInput(field, "must be an object of texts")
    return texts


def _values(field: str, entry: Mapping[str, object]) -> Mapping[str, ServerValue]:
    return {name: _value(text) for name, text in _texts(field, entry).items()}


def _value(text: str) -> ServerValue:
    named = SECRET.fullmatch(text)
    return ServerValue(secret_name=named[1]) if named else ServerValue(text)


def _is_disabled(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("disabled") is True
