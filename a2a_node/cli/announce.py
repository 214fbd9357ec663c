"""What a node says when it is ready: a panel and three commands for people, one line for programs."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from a2a_node.model.places import DEFAULT_ADDRESS, default_data_dir

HELLO = '{"text": "hello"}'
TYPED = f"""-d '{{"agent": "echo", "capability": "say", "input": {{"struct": {HELLO}}}}}'"""
INVOKE = "a2amesh.v1.AgentService/Invoke"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node that serves now."""

    node_id: str
    grpc_address: str
    http_address: str
    key_file: Path
    tls: bool = False
    https: bool = False


def announce(arrival: Arrival) -> None:
    """Greet people on stderr, then say `ready` on stdout, where a program may wait for it."""
    _greet(arrival, commands(arrival, program(sys.argv[0])))
    typer.echo(f"ready grpc={arrival.grpc_address} http={arrival.http_address}")
    sys.stdout.flush()


def commands(arrival: Arrival, name: str) -> Sequence[str]:
    """Three lines to paste into a shell; the key stays in its file."""
    key = shlex.quote(str(arrival.key_file))
    away = arrival.key_file.parent != default_data_dir({**os.environ, "A2A_DATA_DIR": ""})  # another terminal's
    place = f"A2A_DATA_DIR={shlex.quote(str(arrival.key_file.parent))} " if away else ""
    address = "" if arrival.grpc_address == DEFAULT_ADDRESS else f" --address {arrival.grpc_address}"
    # who has signed the certificate is known to whoever set it: the client's own variable names the file
    how = '-cacert "$A2A_TLS_CA"' if arrival.tls else "-plaintext"
    return (
        f"{place}{name} call echo say '{HELLO}'{address}",
        f"{place}{name} agents{address}",
        f'grpcurl {how} -H "authorization: Bearer $(cat {key})" {TYPED} {arrival.grpc_address} {INVOKE}',
    )


def program(started: str) -> str:
    """How the program that was started is called from a shell in this folder."""
    if Path(started).name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m a2a_node"
    found = shutil.which("a2a-node")
    if found and Path(found).resolve() == Path(started).resolve():
        return "a2a-node"
    return shlex.quote(os.path.relpath(started))


def _greet(arrival: Arrival, lines: Sequence[str]) -> None:
    tls = " (TLS; A2A_TLS_CA names its authorities)" if arrival.tls else ""
    facts = (
        f"gRPC  {arrival.grpc_address}{tls}",
        f"HTTP  {'https' if arrival.https else 'http'}://{arrival.http_address}",
        f"key   {arrival.key_file}",
    )
    # without a border: a fold would be pasted along with it
    tries = ("Try, in another terminal:", *(f"  {line}" for line in lines))
    typer.echo("\n".join((*_framed(f"a2a-node {arrival.node_id}", facts), *tries)), err=True)


def _framed(title: str, lines: Sequence[str]) -> Sequence[str]:
    """The lines in a panel, or as they are where it has no room; rich would stay in memory for it, 3 MB."""
    width = max(len(line) for line in (*lines, title)) + 4
    border = ("╭", "╮", "╰", "╯", "─", "│")
    try:
        "".join(border).encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        border = ("+", "+", "+", "+", "-", "|")
    top_left, top_right, left, right, across, down = border
    if width + 2 > shutil.get_terminal_size().columns:
        return (title, *lines)
    return (
        f"{top_left}{across} {title} {across * (width - len(title) - 3)}{top_right}",
        *(f"{down}  {line:<{width - 4}}  {down}" for line in lines),
        f"{left}{across * width}{right}",
    )
