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
    from rich.console import Console  # noqa: PLC0415 - slow to import, and most commands do without
    from rich.panel import Panel  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    facts = Table.grid(padding=(0, 2))
    facts.add_row("gRPC", f"{arrival.grpc_address}{' (TLS; A2A_TLS_CA names its authorities)' if arrival.tls else ''}")
    facts.add_row("HTTP", f"http://{arrival.http_address}")
    facts.add_row("key", str(arrival.key_file))
    console = Console(stderr=True, highlight=False, markup=False)
    console.print(Panel(facts, title=f"a2a-node {arrival.node_id}", title_align="left", expand=False))
    console.print("Try, in another terminal:")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)  # a border, or a fold, would be pasted along with it
