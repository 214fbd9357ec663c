"""`tools`: MCP servers that the nodes of the mesh keep, and what they offer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.options import option
from a2a_node.model.errors import InvalidInput
from a2a_node.model.tools import Http, Placement, ServerConfig, ServerValue, Stdio

if TYPE_CHECKING:
    from a2a_node.model.servers import Server

tools = group("tools", "MCP servers and their tools: list, add, show, start, stop, restart, remove, logs, offers.")
Name = Annotated[str, typer.Argument(help="The server's name; its agent is mcp.NAME.", metavar="NAME")]
GRACE = option(
    "grace", float | None, help="Seconds that its process gets to end before it is killed.", show_default="5"
)
VALUE = "NAME=value, NAME for this shell's own value, or NAME=secret:NAME for a secret of the node"


class Adding(TypedDict):
    """How a server is added."""

    url: str
    env: list[str]
    header: list[str]
    cwd: str
    label: list[str]
    every_node: bool
    replace: bool
    stopped: bool


class Ending(TypedDict, total=False):
    """How a server is ended."""

    grace: float


@tools.command("list")
@asks_mesh()
async def list_servers(desk: Desk) -> None:
    """List the servers."""
    found = [server async for server in desk.mesh.tools.list()]
    desk.screen.table([_told(server) for server in found], [_row(server) for server in found])


@tools.command("add")
@asks_mesh(
    option("url", str, default="", help="In place of a program: where a server runs that speaks HTTP."),
    option("env", list[str], default=[], help=f"For its environment: {VALUE}."),
    option("header", list[str], default=[], help=f"For requests to a URL: {VALUE}."),
    option("cwd", str, default="", help="Where it runs.", show_default="an empty directory of its own"),
    option("label", list[str], default=[], help="A label that its node must have, name=value."),
    option("every_node", bool, "--every-node", default=False, help="Run it on each node, not on one."),
    option("replace", bool, "--replace", default=False, help="Put it in place of the server of that name."),
    option("stopped", bool, "--stopped", default=False, help="Do not start it yet."),
)
async def add_server(
    desk: Desk,
    name: Name,
    command: Annotated[
        list[str] | None, typer.Argument(help="The program and its arguments, after `--`.", metavar="-- COMMAND...")
    ] = None,
    **how: Unpack[Adding],
) -> None:
    """Add a server and start it: `tools add files -- npx -y @modelcontextprotocol/server-filesystem /srv`."""
    url, headers = how["url"], how["header"]
    config = ServerConfig(
        _http(url, headers) if url else _stdio(command or (), how["env"], how["cwd"]),
        Placement.EVERY_NODE if how["every_node"] else Placement.ONE_NODE,
        dict(_pair("label", each) for each in how["label"]),
    )
    added = await desk.mesh.tools.add(name, config, start=not how["stopped"], replace=how["replace"])
    desk.screen.document(
        _told(added), f"{added.agent} {added.status}; `a2a-node tools show {name}` tells how it goes on"
    )


@tools.command("show")
@asks_mesh()
async def show_server(desk: Desk, name: Name) -> None:
    """Say all that is known of a server."""
    desk.screen.document(_told(await desk.mesh.tools.get(name)))


@tools.command("start")
@asks_mesh()
async def start_server(desk: Desk, name: Name) -> None:
    """Start a server that is stopped, waits for its next try, or is in quarantine."""
    server = await desk.mesh.tools.start(name)
    desk.screen.document(_told(server), str(server.status))


@tools.command("stop")
@asks_mesh(GRACE)
async def stop_server(desk: Desk, name: Name, **how: Unpack[Ending]) -> None:
    """Stop a server until somebody starts it, and wait for its end."""
    server = await desk.mesh.tools.stop(name, **how)
    desk.screen.document(_told(server), str(server.status))


@tools.command("restart")
@asks_mesh(GRACE)
async def restart_server(desk: Desk, name: Name, **how: Unpack[Ending]) -> None:
    """Stop a server and start it again."""
    server = await desk.mesh.tools.restart(name, **how)
    desk.screen.document(_told(server), str(server.status))


@tools.command("remove")
@asks_mesh(GRACE)
async def remove_server(desk: Desk, name: Name, **how: Unpack[Ending]) -> None:
    """Stop a server and forget it."""
    removed = await desk.mesh.tools.remove(name, **how)
    desk.screen.document({"removed": removed}, "removed" if removed else "there was none")


@tools.command("logs")
@asks_mesh()
async def server_logs(
    desk: Desk,
    name: Name,
    lines: Annotated[int, typer.Option(help="How many, at most 1,000.", min=1)] = 100,
    node: Annotated[str, typer.Option(help="The node whose copy wrote them.", show_default="the only one")] = "",
) -> None:
    """Print what a server wrote last to its standard error."""
    found = await desk.mesh.tools.logs(name, lines, node)
    desk.screen.document(found, "\n".join(found))


@tools.command("offers")
@asks_mesh()
async def offered(
    desk: Desk,
    name: Annotated[str, typer.Argument(help="Only of this server.", metavar="[NAME]")] = "",
    query: Annotated[str, typer.Option(help="Only those that say this.")] = "",
) -> None:
    """List tools, and how to call them."""
    found = [one async for one in desk.mesh.tools.tools(name, query)]
    rows = [
        {
            "agent": one.agent,
            "capability": one.tool.capability,
            "says": one.tool.problem or _first(one.tool.description),
        }
        for one in found
    ]
    desk.screen.table(found, rows)


def _stdio(command: Sequence[str], env: Sequence[str], cwd: str) -> Stdio:
    if not command:
        raise InvalidInput("command", "is required after `--`, or a --url")
    there = str(Path(cwd).expanduser().absolute()) if cwd else ""
    return Stdio(command[0], tuple(command[1:]), dict(_value("env", each) for each in env), there)


def _http(url: str, headers: Sequence[str]) -> Http:
    return Http(url, dict(_value("header", each) for each in headers))


def _value(field: str, text: str) -> tuple[str, ServerValue]:
    name, given, value = text.partition("=")
    if not given:
        if name not in os.environ:
            raise InvalidInput(field, f"{name[:80]!r} has no value, and this shell has none of that name")
        return name, ServerValue(os.environ[name])
    named = value.removeprefix("secret:")
    return name, ServerValue(value) if named == value else ServerValue(secret_name=named)


def _pair(field: str, text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given:
        raise InvalidInput(field, f"{text[:80]!r} must look like name=value")
    return name, value


def _told(server: Server) -> dict[str, object]:
    """The server for programs, without what only nodes know of it."""
    return {
        name: value for name, value in asdict(server).items() if name not in ("generation", "starts", "holder", "grace")
    }


def _row(server: Server) -> dict[str, object]:
    return {
        "name": server.id,
        "type": server.config.type.value,
        "status": server.status.value,
        "tools": server.tool_count,
        "restarts": server.restarts,
        "problem": _first(server.problem),
    }


def _first(text: str) -> str:
    return text.partition("\n")[0][:100]
