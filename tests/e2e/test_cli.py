"""The commands as people and programs use them: real processes, a real node."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError, NodeDraining
from tests.e2e.nodes import A2A_NODE, RunningNode, running_node
from tests.e2e.processes import TELLING, Program, executed
from tests.ports import free_port

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(node: RunningNode) -> Ask:
    """Run a command against the shared node, to its end."""

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        environ = os.environ | node.environ
        return subprocess.run([A2A_NODE, *words], env=environ, capture_output=True, text=True, timeout=60, check=False)

    return ask


@pytest.fixture
def own_node(data_dir: Path) -> Iterator[RunningNode]:
    """A node of the test's own, which it may end."""
    with running_node(data_dir, "--drain", "30", start=executed) as node:
        yield node


def left_behind(data_dir: Path) -> list[str]:
    """The command lines of what still runs on a data directory."""
    lines = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(data_dir) in line]


def up(data_dir: Path, *options: str) -> subprocess.Popen[str]:
    """A node whose stdout and stderr are kept apart."""
    ports = ("--grpc-port", "0", "--http-port", "0", "--peer-port", "0")
    command = [str(A2A_NODE), "up", *ports, "--data-dir", str(data_dir), *options]
    environ = os.environ | TELLING
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def commands_to_try(node: subprocess.Popen[str], grpcurl: Path) -> list[str]:
    """What the panel offers, with the grpcurl of the tests."""
    assert node.stderr is not None
    lines = iter(node.stderr.readline, "")
    offered = itertools.dropwhile(lambda line: "Try" not in line, lines)
    return [line.strip().replace("grpcurl", str(grpcurl), 1) for line in itertools.islice(offered, 1, 4)]


def test_stdout_is_one_line_and_the_commands_on_stderr_can_be_pasted(data_dir: Path, grpcurl: Path) -> None:
    """Whoever waits for `ready` reads nothing else; whoever pastes a command gets an answer."""
    with up(data_dir) as node:
        assert node.stdout is not None
        ready = node.stdout.readline()
        answers = [subprocess.getoutput(line) for line in commands_to_try(node, grpcurl)]  # noqa: S605 - as pasted
        node.send_signal(signal.SIGTERM)
        rest, log = node.communicate(timeout=60)
    assert ready.startswith("ready grpc=127.0.0.1:")
    assert (rest, node.returncode) == ("", 0), log
    assert [word in answer for word, answer in zip(('"hello"', "echo", '"hello"'), answers, strict=True)] == [True] * 3
    assert "Traceback" not in log
    assert left_behind(data_dir) == []


async def test_a_node_that_is_told_to_stop_finishes_what_runs(own_node: RunningNode) -> None:
    """New calls are refused by name, the stream under way ends by itself, then the process does."""
    async with MeshClient(own_node.address, own_node.key) as mesh:
        stream = mesh.stream("echo", "count", {"n": 12, "delay_ms": 250})
        numbers = [await anext(stream)]
        os.kill(own_node.pid, signal.SIGTERM)
        refusal = await refused(mesh)
        numbers += [number async for number in stream]
    assert isinstance(refusal, NodeDraining)
    assert numbers == [{"number": number} for number in range(1, 13)]
    own_node.program.ends()
    assert left_behind(own_node.data_dir) == []


async def refused(mesh: MeshClient) -> MeshError:
    """Call until the node refuses; its refusal."""
    async with asyncio.timeout(10):
        while True:
            try:
                await mesh.call("echo", "say")
            except MeshError as refusal:
                return refusal


async def test_a_second_signal_does_not_wait_for_what_runs(own_node: RunningNode) -> None:
    """And still leaves nothing behind."""
    async with MeshClient(own_node.address, own_node.key) as mesh:
        stream = mesh.stream("echo", "count", {"n": 3, "delay_ms": 60_000}, resumable=False)  # else it is looked for
        await anext(stream)
        os.kill(own_node.pid, signal.SIGINT)
        await refused(mesh)
        await asyncio.to_thread(own_node.program.ends, signal.SIGINT)
        with pytest.raises(MeshError):
            await anext(stream)
    assert left_behind(own_node.data_dir) == []


def test_a_node_that_is_stopped_while_it_starts_leaves_nothing_behind(data_dir: Path) -> None:
    """As soon as it holds its directory."""
    with Program(
        (A2A_NODE, "up", "--data-dir", data_dir, "--grpc-port", "0", "--peer-port", "0", "--http-port", "0")
    ) as program:
        program.line("starting")
        program.ends(signal.SIGINT)
        assert "Traceback" not in program.output
    assert left_behind(data_dir) == []


def test_a_node_that_is_drained_over_the_mesh_ends(own_node: RunningNode) -> None:
    """`drain` is a signal from afar, and waits until the node is gone."""
    environ = os.environ | own_node.environ
    subprocess.run([A2A_NODE, "drain"], env=environ, check=True, capture_output=True, timeout=60)
    psutil.Process(own_node.pid).wait(timeout=60)
    own_node.program.ends()


def test_stores_of_the_mesh_are_for_serve(data_dir: Path) -> None:
    """`up` says that it does not use them."""
    with running_node(
        data_dir, environ={"A2A_REDIS_URL": "redis://nobody:secret@127.0.0.1:1/0"}, start=executed
    ) as node:
        node.program.line("A2A_REDIS_URL is not used")
        assert "secret" not in node.program.output


def test_a_port_that_is_taken_is_named(node: RunningNode, data_dir: Path) -> None:
    """A setting to change, so exit code 64."""
    with up(data_dir, "--grpc-port", node.address.rpartition(":")[2]) as second:
        _, said = second.communicate(timeout=60)
    assert (second.returncode, "[SETTING_INVALID]" in said) == (64, True)
    assert said.splitlines()[-1].startswith("error: setting grpc_port: ")
    assert left_behind(data_dir) == []


def test_a_directory_that_is_held_is_refused(node: RunningNode) -> None:
    """With the process that holds it, and a way out."""
    with up(node.data_dir) as second:
        _, said = second.communicate(timeout=60)
    assert (second.returncode, "[DATA_DIRECTORY_BUSY]" in said) == (1, True)
    assert f"process {node.pid} already runs a node on {node.data_dir}" in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has scheduling policies")
def test_the_node_is_scheduled_in_batches_and_its_stores_are_not(node: RunningNode) -> None:
    """The policy is for gRPC's threads."""
    policies = {process.name(): os.sched_getscheduler(process.pid) for process in psutil.Process(node.pid).children()}
    assert os.sched_getscheduler(node.pid) == os.SCHED_BATCH
    assert set(policies.values()) <= {os.SCHED_OTHER}


def test_logs_are_json_lines_when_asked_for(data_dir: Path) -> None:
    """What keeps a node from starting is a line for people all the same."""
    with up(data_dir, "--json-logs", "--agent", "nowhere:agent") as node:
        out, said = node.communicate(timeout=60)
    first, *_, last = said.splitlines()
    assert (out, node.returncode) == ("", 64)
    assert json.loads(first)["level"] == "info"
    assert last.startswith("error: setting agent: 'nowhere:agent' cannot be imported")


def test_sessions_and_values_go_through_the_commands(ask: Ask) -> None:
    """Made, read, changed, and gone."""
    made = ask("sessions", "create", '{"step": 1}', "--user", "ann").stdout.strip()
    assert json.loads(ask("sessions", "show", made, "--json").stdout)["data"] == {"step": 1}
    assert ask("sessions", "update", made, '{"step": 2}', "--expect", "1").returncode == 0
    lost = ask("sessions", "update", made, '{"step": 3}', "--expect", "1", "--json")
    assert (lost.returncode, json.loads(lost.stderr)["error"]["reason"]) == (1, "VERSION_CONFLICT")
    assert made in ask("sessions", "--user", "ann").stdout
    assert ask("sessions", "delete", made).stdout == "deleted\n"
    assert ask("cache", "set", made, '{"n": 1}', "--ttl", "60").stdout == "stored\n"
    assert json.loads(ask("cache", "get", made, "--json").stdout)["value"] == {"n": 1}
    assert ask("cache", "delete", made).stdout == "deleted\n"
    assert ask("cache", "get", made).returncode == 1


def test_a_subscriber_reads_what_is_published(node: RunningNode, ask: Ask) -> None:
    """In the order of publication, from the moment that it stands."""
    with Program((A2A_NODE, "cache", "subscribe", "news", "--json"), node.environ) as subscriber:
        subscriber.line('"kind":"started"')
        ask("cache", "publish", "news", '{"n": 1}')
        subscriber.line(r'"kind":"published".*"value":\{"n":1\}')


def test_a_watch_is_ended_by_an_interrupt(node: RunningNode) -> None:
    """Without a traceback, with the exit code that shells give."""
    with Program((A2A_NODE, "agents", "watch"), node.environ) as watch:
        watch.line("current")
        watch.ends(signal.SIGINT, code=130)
        assert "Traceback" not in watch.output


def test_an_agent_that_is_switched_off_is_not_called(node: RunningNode, ask: Ask) -> None:
    """Whoever watches sees it."""
    with Program((A2A_NODE, "agents", "watch", "--json"), node.environ) as watch:
        watch.line('"kind":"current"')
        watch.forget()
        assert ask("agents", "disable", "relay-hosted").stdout == "relay-hosted is disabled\n"
        watch.line('"name":"relay-hosted".*"enabled":false')
        refusal = ask("call", "relay-hosted", "relay", '{"text": "hello", "route": []}', "--json")
        assert json.loads(refusal.stderr)["error"]["reason"] == "AGENT_DISABLED"
        assert ask("agents", "enable", "relay-hosted").returncode == 0
        watch.line('"name":"relay-hosted".*"enabled":true')
    assert ask("call", "relay-hosted", "relay", '{"text": "hello", "route": []}').returncode == 0


def test_the_outcome_of_a_key_is_given_again(ask: Ask) -> None:
    """And another request under it is refused."""
    first = ask("call", "echo", "say", '{"text": "one"}', "--idempotency-key", "cli-1")
    assert ask("call", "echo", "say", '{"text": "one"}', "--idempotency-key", "cli-1").stdout == first.stdout
    other = ask("call", "echo", "say", '{"text": "two"}', "--idempotency-key", "cli-1")
    assert (other.returncode, "IDEMPOTENCY_KEY_REUSED" in other.stderr) == (1, True)


def test_a_call_that_takes_too_long_says_so(ask: Ask) -> None:
    """With the time that it had."""
    late = ask("stream", "echo", "count", '{"n": 2, "delay_ms": 60000}', "--timeout", "0.5")
    assert (late.returncode, late.stdout) == (1, '{"number":1}\n')
    assert "[DEADLINE_EXCEEDED]" in late.stderr


def doctor(node: RunningNode, *more: str) -> tuple[int, dict[str, str]]:
    """The exit code of `doctor` at a node, and the state of each finding."""
    ports = ("--grpc-port", node.address.rpartition(":")[2], "--http-port", node.http.rpartition(":")[2])
    words = [str(A2A_NODE), "doctor", *ports, "--data-dir", str(node.data_dir), "--json", *more]
    ran = subprocess.run(words, env=os.environ | node.environ, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, {finding["name"]: finding["state"] for finding in json.loads(ran.stdout)}


def test_doctor_is_content_with_a_node_that_serves(node: RunningNode) -> None:
    """Its doors, its stores, our key, and the schema."""
    code, findings = doctor(node)
    assert code == 0
    assert {"gRPC", "HTTP", "access", "postgres", "redis", "database", "key", "clock"} <= findings.keys()
    assert "fail" not in findings.values()


def test_doctor_tells_a_node_from_another_server(node: RunningNode) -> None:
    """A port that somebody else has is a failure."""
    other = node.http.rpartition(":")[2]
    code, findings = doctor(node, "--grpc-port", other)
    assert (code, findings["gRPC"]) == (1, "fail")
    _, findings = doctor(node, "--grpc-port", str(free_port()), "--http-port", str(free_port()))
    assert (findings["gRPC"], findings["HTTP"]) == ("ok", "ok")


def test_the_schema_is_shown_beside_a_node_and_without_one(data_dir: Path) -> None:
    """The database of the directory is asked where it runs, and started where it does not."""

    def db(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(A2A_NODE), "db", *words, "--data-dir", str(data_dir), "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert "has no database" in db("current").stderr
    with running_node(data_dir, start=executed) as node:
        newest = json.loads(db("current").stdout)
        assert newest["current"] == newest["newest"]
        node.program.ends()
    assert json.loads(db("history").stdout)[-1]["applied"] is True
    assert json.loads(db("upgrade").stdout) == {"before": newest["newest"], "now": newest["newest"]}
    assert left_behind(data_dir) == []
