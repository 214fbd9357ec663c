"""All commands of the program `a2a-node`, under one name."""

from __future__ import annotations

from a2a_node.cli.agents import agents
from a2a_node.cli.app import program
from a2a_node.cli.audit import audit
from a2a_node.cli.cache import cache
from a2a_node.cli.calls import call, stream
from a2a_node.cli.database import database
from a2a_node.cli.doctor import doctor
from a2a_node.cli.drain import drain
from a2a_node.cli.freezes import freeze, freezes, unfreeze
from a2a_node.cli.grants import grants
from a2a_node.cli.graphs import graph
from a2a_node.cli.keys import keys, token
from a2a_node.cli.limits import limits
from a2a_node.cli.mcp import mcp
from a2a_node.cli.nodes import nodes
from a2a_node.cli.runs import approve, cancel, pause, reject, resume, retry, runs, watch
from a2a_node.cli.sessions import sessions
from a2a_node.cli.starting import run
from a2a_node.cli.tap import tap
from a2a_node.cli.tools import tools
from a2a_node.cli.workflows import workflow

app = program()
for command in (call, stream, token, drain, freeze, unfreeze, freezes, tap, doctor, mcp):
    app.command()(command)
for command in (run, watch, graph, runs, cancel, pause, resume, retry, approve, reject):
    workflow.command()(command)
for name, group in (
    ("agents", agents),
    ("nodes", nodes),
    ("sessions", sessions),
    ("cache", cache),
    ("grants", grants),
    ("audit", audit),
    ("keys", keys),
    ("limits", limits),
    ("tools", tools),
    ("workflow", workflow),
    ("db", database),
):
    app.add_typer(group, name=name)
