"""What a node says when it is ready."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from a2a_node.cli.announce import Arrival, announce, commands, program
from a2a_node.model.places import DEFAULT_ADDRESS, KEY_FILE, default_data_dir

AT_HOME = Arrival("node-1", DEFAULT_ADDRESS, "127.0.0.1:8080", default_data_dir({}) / KEY_FILE)
AWAY = Arrival("node-1", "127.0.0.1:7000", "127.0.0.1:7001", Path("/some where/dev.key"))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has set."""
    for name in ("A2A_DATA_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_programs_get_one_line_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """All else goes to stderr."""
    announce(AWAY)
    said = capsys.readouterr()
    assert said.out == "ready grpc=127.0.0.1:7000 http=127.0.0.1:7001\n"
    assert "node-1" in said.err
    assert "/some where/dev.key" in said.err


def test_the_commands_to_try_are_whole_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """However narrow the window is: what is folded cannot be pasted."""
    announce(AWAY)
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    for command in commands(AWAY, program(sys.argv[0])):
        assert command in lines


def test_commands_say_where_the_node_is_only_when_nobody_would_guess() -> None:
    """On the default address and directory they are short."""
    assert commands(AT_HOME, "a2a-node")[:2] == ('a2a-node call echo say \'{"text": "hello"}\'', "a2a-node agents")
    call, agents, _ = commands(AWAY, "a2a-node")
    assert shlex.split(agents) == ["A2A_DATA_DIR=/some where", "a2a-node", "agents", "--address", "127.0.0.1:7000"]
    assert call.endswith("--address 127.0.0.1:7000")


def test_the_data_directory_of_this_shell_is_unknown_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands are for another terminal."""
    monkeypatch.setenv("A2A_DATA_DIR", "/some where")
    assert commands(AWAY, "a2a-node")[0].startswith("A2A_DATA_DIR='/some where' ")


def test_grpcurl_reads_the_key_from_its_file() -> None:
    """The key itself is never shown."""
    words = shlex.split(commands(AWAY, "a2a-node")[2])
    assert words[0] == "grpcurl"
    assert "authorization: Bearer $(cat '/some where/dev.key')" in words
    assert words[-2:] == ["127.0.0.1:7000", "a2amesh.v1.AgentService/Invoke"]


def test_the_program_is_called_as_it_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its name on the path, else by its place, else through Python."""
    installed = tmp_path / "bin" / "a2a-node"
    installed.parent.mkdir()
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert program(str(installed)) == "bin/a2a-node"
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program(str(installed)) == "a2a-node"
    assert program("/lib/a2a_node/__main__.py").endswith(" -m a2a_node")


def test_a_node_with_tls_is_not_asked_in_the_clear() -> None:
    """The client's own variable names who has signed its certificate."""
    assert "-plaintext" in commands(AT_HOME, "a2a-node")[2]
    secured = commands(replace(AT_HOME, tls=True), "a2a-node")[2]
    assert '-cacert "$A2A_TLS_CA"' in secured
    assert "-plaintext" not in secured
