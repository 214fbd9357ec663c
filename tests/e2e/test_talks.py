"""RPCs whose clients stream, as WebSockets of a real node: clients that do not get on, and the node's own end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.nodes import RunningNode, running_node
from tests.e2e.raw_http import PATIENCE, ended
from tests.e2e.test_http_bad_input import counted, memory
from tests.e2e.test_live_events import PING, TEXT, closed, deafened, framed

STALL = 2.0
WAY = "agents/echo:converse"
SAY = b'{"open": {"capability": "say"}}'
MANY = b'{"input": {"struct": {"n": 100000}}}'  # numbers, more than ever lie between a node and its client


@pytest.fixture(scope="module")
def node(open_folder: Path) -> Iterator[RunningNode]:
    """A node that has little patience."""
    with running_node(open_folder / "talks", "--http-stall-seconds", str(STALL)) as running:
        yield running


def opened(node: RunningNode, way: str = WAY) -> ClientConnection:
    """A WebSocket by a key in a header."""
    return connect(f"ws://{node.http}/api/v1/{way}", additional_headers={"X-API-Key": node.key})


def test_who_never_reads_is_cut_off_and_costs_little(node: RunningNode) -> None:
    """Its agent waits meanwhile; and so does an answer to all that it asks besides."""
    before, slow = memory(node), 'a2a_http_refused_total{why="reader_slow"}'
    cut = counted(node, slow)
    with ExitStack() as crowd:
        deaf = [crowd.enter_context(deafened(node, WAY, b'{"open": {"capability": "count"}}', MANY)) for _ in range(2)]
        for line in deaf:
            for _ in range(1000):
                line.sendall(framed(PING, b"x" * 100) * 20)
        began = monotonic()
        while counted(node, slow) < cut + len(deaf):
            assert monotonic() - began < PATIENCE
        assert memory(node) - before < 32
        assert (1013).to_bytes(2, "big") + b"you read too slowly" in ended(deaf[0])
    with opened(node) as socket:
        socket.send(SAY.decode())
        socket.send('{"input": {"struct": {"text": "hello"}}}')
        assert "hello" in str(socket.recv(PATIENCE))
        assert closed(socket)[0] == 1000


def test_a_message_that_trickles_in_is_given_up(node: RunningNode) -> None:
    """With a word of it; one that gets on may take longer than that."""
    with deafened(node, WAY, SAY) as line:
        line.sendall(bytes((TEXT, 0xFE)) + (5000).to_bytes(2, "big") + b"mask" + b"x")
        began, said = monotonic(), b""
        line.settimeout(0.2)
        while b"REQUEST_TOO_SLOW" not in said:
            assert monotonic() - began < PATIENCE
            line.sendall(b"x")
            try:
                said += line.recv(4096)
            except TimeoutError:
                continue
        assert (4408).to_bytes(2, "big") in said + ended(line)
    assert counted(node, 'a2a_http_refused_total{why="body_slow"}') >= 1


def test_a_message_in_many_parts_is_one(node: RunningNode) -> None:
    """Empty parts among them."""
    with deafened(node, WAY, SAY) as line:
        line.sendall(framed(0x01, b'{"'))
        line.sendall(framed(0x00, b"x") * 1000 + framed(0x00, b"") * 1000)
        line.sendall(framed(0x80, b'": 1}'))
        said = b""
        while b"INVALID_INPUT" not in said:
            said += line.recv(65536)


def test_a_node_that_stops_ends_its_conversations(open_folder: Path) -> None:
    """An agent on a socket is told twice, in its own words and by the code, and the node ends well."""
    with running_node(open_folder / "talks-drain") as node, opened(node, "agents/paper:attach") as socket:
        socket.send(json.dumps({"hello": {"agent": {"capabilities": [{"name": "say"}]}}}))
        assert "welcome" in str(socket.recv(PATIENCE))
        node.program.send(signal.SIGTERM)
        said = list[str]()
        with pytest.raises(ConnectionClosed) as end:  # noqa: PT012 - in the end
            while True:
                said.append(str(socket.recv(PATIENCE)))
        assert "draining" in said[0]
        assert "NODE_DRAINING" in said[-1]
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 1012
        assert node.program.wait(PATIENCE) == 0
