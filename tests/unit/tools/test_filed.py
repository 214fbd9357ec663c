"""Servers from a file: what other clients write is read, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.servers import Wish
from a2a_node.model.tools import Http, Placement, ServerConfig, ServerValue, Stdio
from a2a_node.testing import MemoryServers
from a2a_node.tools.filed import entered, filed


def written(folder: Path, servers: object) -> Path:
    """A file of these servers."""
    path = folder / "servers.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


def test_servers_of_both_kinds_are_read(tmp_path: Path) -> None:
    """With secrets by name, and what other clients write beside passed over."""
    path = written(
        tmp_path,
        {
            "files": {
                "type": "stdio",
                "command": "npx",
                "args": ["-y", "files"],
                "env": {"A": "1", "B": "${secret:token}"},
                "cwd": "/srv",
                "node_labels": {"disk": "fast"},
            },
            "web": {"url": "http://127.0.0.1:1/mcp", "headers": {"x": "y"}, "placement": "every_node"},
            "off": {"command": "x", "disabled": True},
        },
    )
    files, web = filed(path)
    environment = {"A": ServerValue("1"), "B": ServerValue(secret_name="token")}
    assert (files.id, files.replace, files.wish) == ("files", True, Wish.RUN)
    assert files.config == ServerConfig(
        Stdio("npx", ("-y", "files"), environment, "/srv"), node_labels={"disk": "fast"}
    )
    assert web.config == ServerConfig(Http("http://127.0.0.1:1/mcp", {"x": ServerValue("y")}), Placement.EVERY_NODE)


@pytest.mark.parametrize(
    ("servers", "why"),
    [
        (7, "must have an object"),
        ({"files": 7}, "'files'.*must be an object"),
        ({"files": {}}, "'files'.*command"),
        ({"files": {"command": "x", "args": "y"}}, "args.*list of texts"),
        ({"files": {"command": "x", "env": {"A": 1}}}, "env.*object of texts"),
        ({"files": {"command": 1}}, "command.*text"),
        ({"files": {"command": "x", "placement": "nowhere"}}, "placement.*one_node, every_node"),
        ({"files": {"command": "x", "shell": True}}, "not known: shell"),
        ({"files": {"url": "x", "env": {}}}, "not known: env"),
        ({"Bad Name": {"command": "x"}}, "'Bad Name'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, servers: object, why: str) -> None:
    """The server and the field; the setting, for whoever started the node."""
    with pytest.raises(SettingInvalid, match=why):
        filed(written(tmp_path, servers))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    """One that is not there, and one that is no JSON."""
    with pytest.raises(SettingInvalid, match="cannot be read"):
        filed(tmp_path / "nothing.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SettingInvalid, match="no JSON"):
        filed(tmp_path / "broken.json")


async def test_only_what_differs_is_entered(tmp_path: Path) -> None:
    """A server that is as its file says stays as it is, and others stay, too."""
    store, path = MemoryServers(), written(tmp_path, {"files": {"command": "files"}})
    await entered(filed(path), store)
    first = await store.get("files")
    await entered(filed(path), store)
    assert (await store.get("files")).generation == first.generation
    await entered(filed(written(tmp_path, {"other": {"command": "files", "args": ["-a"]}})), store)
    assert [server.id for server in (await store.all())[1]] == ["files", "other"]
    await entered(filed(written(tmp_path, {"files": {"command": "others"}})), store)
    assert (await store.get("files")).config.transport == Stdio("others")
