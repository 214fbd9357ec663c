"""`a2a-node mcp`: the mesh's tools on standard input and output, for desktop assistants that start a program."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from typing import Annotated

import typer

from a2a_node.model.places import client_key

URL = "http://127.0.0.1:8080/mcp"


def mcp(
    *,
    url: Annotated[str, typer.Option("--url", envvar="A2A_MCP_URL", help="The node's /mcp.")] = URL,
    config: Annotated[
        bool, typer.Option("--config", help="Print the configuration to paste into an assistant, and end.")
    ] = False,
) -> None:
    """Offer the mesh's agents as MCP tools on standard input and output, through a node."""
    if config:
        typer.echo(json.dumps(configuration(url), indent=2))
        return
    from a2a_node.cli.mcp_bridge import bridged, why_not  # noqa: PLC0415 - the SDK is 18 MB and half a second

    try:
        asyncio.run(bridged(url, _key(url)))
    except Exception as failure:
        why = why_not(failure)
        if why is None:
            raise
        typer.echo(f"a2a-node mcp: {url} cannot be used: {why}", err=True)
        raise typer.Exit(1) from None


def configuration(url: str) -> dict[str, object]:
    """What assistants read of a server that they start; it names no key: the bridge finds the node's own."""
    program = shutil.which("a2a-node") or os.path.abspath(sys.argv[0])  # noqa: PTH100 - a link may be meant
    environ = {name: os.environ[name] for name in ("A2A_DATA_DIR",) if name in os.environ}
    server: dict[str, object] = {"command": program, "args": ["mcp", "--url", url]}
    return {"mcpServers": {"a2a-node": {**server, "env": environ} if environ else server}}


def _key(url: str) -> str:
    """A2A_KEY, or the development key of this machine's node."""
    return client_key(url.partition("://")[2].partition("/")[0])
