"""The program as a whole: its help, its version, its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from typer import Typer
from typer.main import get_command, get_group
from typer.testing import CliRunner

from a2a_node.cli.app import main
from a2a_node.cli.commands import COMMANDS, GROUPS, program
from tests.unit.cli.conftest import Run

app = program()

FOR_PROGRAMS = {"up", "serve", "mcp"}


def commands(group: Typer) -> Iterator[tuple[str, ...]]:
    """The words of every command of a group."""
    for name, command in get_group(group).commands.items():
        below = getattr(command, "commands", None)
        yield from ((name, inner) for inner in below) if below else ((name,),)


@pytest.mark.parametrize("words", list(commands(app)), ids=" ".join)
def test_every_command_explains_itself_and_speaks_json(words: tuple[str, ...]) -> None:
    """All but those whose output is for programs anyhow: they run a node, or speak MCP."""
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, (*words, "--help")).stdout
    assert f"Usage: a2a-node {' '.join(words)}" in shown
    assert ("--json " in shown) == (words[0] not in FOR_PROGRAMS)


@pytest.mark.parametrize("name", sorted(COMMANDS | GROUPS))
def test_a_command_that_comes_alone_is_the_one_among_all(name: str) -> None:
    """By its own name, with the same help."""
    alone = get_group(program(name)).commands
    assert list(alone) == [name]
    assert alone[name].help == get_group(app).commands[name].help


def test_the_version_is_the_installed_one(run: Run) -> None:
    """As pip has it."""
    assert run("--version").stdout.startswith("a2a-node 0.")


def test_shells_can_complete(run: Run) -> None:
    """Typer installs the completion of the shell that asks."""
    shown = run("--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown


def test_a_shell_is_offered_the_commands_of_a_group() -> None:
    """Although the group lists when it is given none."""
    environ = {"_A2A_NODE_COMPLETE": "complete_bash", "COMP_WORDS": "a2a-node agents ", "COMP_CWORD": "2"}
    offered = CliRunner(env=environ).invoke(app, prog_name="a2a-node").stdout.split()
    assert offered == ["list", "show", "watch", "enable", "disable"]


@pytest.mark.parametrize("words", [["nonsense"], ["call"], ["call", "a", "b", "no json"], ["up", "--no-such-option"]])
def test_bad_usage_ends_with_64(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """EX_USAGE, whoever noticed."""
    monkeypatch.setattr(sys, "argv", ["a2a-node", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 64


def test_a_command_that_did_its_work_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own exit code."""
    monkeypatch.setattr(sys, "argv", ["a2a-node", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert get_command(app).name == "a2a-node"
