"""Live events over a WebSocket of a real node, by a client that others wrote."""

from __future__ import annotations

import json
import os
import signal
import socket as sockets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.e2e.nodes import RunningNode, running_node
from tests.e2e.raw_http import PATIENCE, answer, connected, ended, sent
from tests.e2e.test_http_bad_input import counted, memory

STALL = 2.0
Message = Mapping[str, Mapping[str, object]]


@pytest.fixture(scope="module")
def node(open_folder: Path) -> Iterator[RunningNode]:
    """A node that has little patience."""
    options = ("--http-stall-seconds", str(STALL), "--http-websockets", "20")
    with running_node(open_folder / "live", *options, "--http-cors-origins", "https://ops.example") as running:
        yield running


def place(node: RunningNode) -> str:
    """Where it is."""
    return f"ws://{node.http}/api/v1/events"


@contextmanager
def opened(node: RunningNode, first: str = "{}", origin: str | None = None) -> Iterator[ClientConnection]:
    """A WebSocket that shows the key in a header."""
    headers = {"Authorization": f"Bearer {node.key}"}
    page = None if origin is None else Origin(origin)
    with connect(place(node), additional_headers=headers, open_timeout=PATIENCE, origin=page) as socket:
        socket.send(first)
        yield socket


def told(socket: ClientConnection) -> Message:
    """The next message."""
    return cast("Message", json.loads(socket.recv(PATIENCE)))


def told_until(socket: ClientConnection, stream: str, part: str) -> Mapping[str, object]:
    """The first message of a stream that has this in it."""
    while True:
        message = told(socket)
        if stream in message and part in json.dumps(message):
            return message[stream]


def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the other side closes, after all that it still says."""
    with pytest.raises(ConnectionClosed) as end:  # noqa: PT012 - in the end
        while True:
            socket.recv(PATIENCE)
    assert end.value.rcvd is not None
    return end.value.rcvd.code, end.value.rcvd.reason


def done(node: RunningNode, path: str, body: object, method: str = "POST") -> dict[str, object]:
    """The answer of the API to the developer."""
    raw = json.dumps(body).encode()
    head = f"{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {node.key}\r\n"
    head += "Connection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    given = sent(node.http, head.encode() + raw)
    assert given.status == 200, given.body
    return cast("dict[str, object]", json.loads(given.body))


def test_a_socket_tells_events_and_agents(node: RunningNode) -> None:
    """Both when nothing is named: agents as they are and as they change, and events as they are recorded."""
    with opened(node) as socket:
        assert told_until(socket, "agents", '"echo"')["agent"]
        assert told_until(socket, "agents", '"current"')["revision"]
        first = told_until(socket, "audit", '"started"')["cursor"]
        done(node, "sessions", {"session_id": "told-of"})
        event = told_until(socket, "audit", "session:told-of")
    with opened(node, json.dumps({"audit": {"after_cursor": first}})) as again:
        assert told_until(again, "audit", "session:told-of") == event, "a client goes on from where it was"


@pytest.mark.parametrize("way", ["subprotocol", "message"])
def test_a_browser_shows_its_key_where_it_can(node: RunningNode, way: str) -> None:
    """It can set no header."""
    offers = [Subprotocol("a2amesh.v1")] + [Subprotocol(f"a2amesh.bearer.{node.key}")] * (way == "subprotocol")
    with connect(place(node), subprotocols=offers, origin=Origin("https://ops.example")) as socket:
        assert socket.subprotocol == "a2amesh.v1", "the key is not said back"
        shown = {} if way == "subprotocol" else {"authorization": f"Bearer {node.key}"}
        socket.send(json.dumps({**shown, "agents": {}}))
        assert told_until(socket, "agents", '"echo"')


def test_whoever_is_not_known_is_told_nothing(node: RunningNode) -> None:
    """Before the socket is open, where a key is shown that early, and else at once after the first message."""
    with pytest.raises(InvalidStatus) as refused:
        connect(place(node), additional_headers={"Authorization": "Bearer wrong"}).__enter__()
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["reason"] == "UNAUTHENTICATED"
    for first in ("{}", '{"authorization": "Bearer wrong"}'):
        with connect(place(node)) as socket:
            socket.send(first)
            assert told(socket)["error"]["reason"] == "UNAUTHENTICATED"
            assert closed(socket) == (4401, "UNAUTHENTICATED")


def test_each_stream_needs_its_own_permission(node: RunningNode) -> None:
    """One that may not be seen says so, and the other goes on; a socket without any is closed."""
    key = done(node, "keys", {"principal": "person:reader"})["secret"]
    done(node, "grants", {"granted_to": "person:reader", "permission": "registry:read"})
    headers = {"Authorization": f"Bearer {key}"}
    with connect(place(node), additional_headers=headers) as socket:
        socket.send("{}")
        messages = [told(socket) for _ in range(2)]
        (failure,) = [message for message in messages if "error" in message]
        assert failure["error"]["reason"] == "PERMISSION_DENIED"
        assert str(failure["stream"]) == "audit"
        told_until(socket, "agents", '"current"')
    with connect(place(node), additional_headers=headers) as socket:
        socket.send('{"audit": {}}')
        assert closed(socket) == (4403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("first", "field"),
    [
        ("", "message"),
        ("no json", "message"),
        ("[]", "message"),
        ('{"calls": {}}', "calls"),
        ('{"audit": 7}', "audit"),
        ('{"audit": {"nothing": 1}}', "audit"),
        ('{"agents": {"after_revision": "x"}}', "agents"),
        ('{"authorization": 7}', "authorization"),
        ("[" * 30_000, "message"),
    ],
)
def test_a_first_message_that_is_none_is_named(node: RunningNode, first: str, field: str) -> None:
    """With its field."""
    with opened(node, first) as socket:
        error = told(socket)["error"]
        assert error["reason"] == "INVALID_INPUT"
        assert cast("list[dict[str, str]]", error["field_violations"])[0]["field"] == field
        assert closed(socket) == (4400, "INVALID_INPUT")


def test_a_message_over_the_limit_closes_the_socket(node: RunningNode) -> None:
    """WebSockets have a code for that."""
    with opened(node, "x" * 70_000) as socket:
        assert closed(socket)[0] == 1009


def test_pages_of_strangers_and_crowds_are_turned_away(node: RunningNode) -> None:
    """Before the socket is open."""
    with pytest.raises(InvalidStatus) as refused:
        opened(node, origin="https://evil.example").__enter__()
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["error"]["reason"] == "ORIGIN_REFUSED"
    with ExitStack() as crowd:
        for _ in range(20):
            crowd.enter_context(opened(node))
        with pytest.raises(InvalidStatus) as refused:
            opened(node).__enter__()
        assert refused.value.response.status_code == 429


UPGRADE = "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
SHAKE = f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'x' * 22}==\r\n"


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        (f"{SHAKE}X: {'a' * 10_000}\r\n", 431, "HEADERS_TOO_LARGE"),
        (SHAKE + "".join(f"X-{number}: a\r\n" for number in range(200)), 431, "HEADERS_TOO_LARGE"),
        ("", 400, "sec-websocket-key"),
        (SHAKE.replace("13", "7"), 400, "sec-websocket-version"),
        (SHAKE.replace("x==", "=="), 400, "sec-websocket-key"),
    ],
    ids=["long", "many", "none", "old", "short"],
)
def test_an_upgrade_that_is_none_is_answered(node: RunningNode, more: str, status: int, reason: str) -> None:
    """At once, in the one shape of errors, and the connection ends."""
    with connected(node.http) as line:
        line.sendall(f"{UPGRADE}{more}\r\n".encode())
        refused = answer(line)
        assert ended(line) == b""
    assert refused.status == status
    assert refused.headers["x-content-type-options"] == "nosniff"
    violations = cast("list[dict[str, str]]", refused.error.get("field_violations", []))
    assert ([violation["field"] for violation in violations] or [refused.reason]) == [reason]


def test_an_upgrade_by_another_method_is_told_the_one_there_is(node: RunningNode) -> None:
    """And one header says it."""
    with connected(node.http) as line:
        line.sendall(f"{UPGRADE.replace('GET', 'POST')}{SHAKE}\r\n".encode())
        refused = answer(line)
    assert (refused.status, refused.reason, refused.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "GET")


@pytest.mark.parametrize("path", ["/", "/api/v1/agents", "/mcp", "/healthz", "/api/v1/../x"])
def test_other_paths_have_no_sockets(node: RunningNode, path: str) -> None:
    """They are not found, or not looked at, in the one shape of errors."""
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{node.http}{path}").__enter__()
    assert refused.value.response.status_code in (403, 404)
    assert json.loads(refused.value.response.body)["error"]["reason"] in ("PATH_NOT_FOUND", "REQUEST_BLOCKED")


def deafened(node: RunningNode, way: str = "events", *said: bytes) -> sockets.socket:
    """A WebSocket that says this, or asks for all agents, and reads nothing of what it is told."""
    host, _, port = node.http.rpartition(":")
    line = sockets.socket()
    line.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    line.settimeout(PATIENCE)
    line.connect((host, int(port)))
    line.sendall(
        f"GET /api/v1/{way} HTTP/1.1\r\nHost: {node.http}\r\nAuthorization: Bearer {node.key}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'x' * 22}==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += line.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    for text in said or (b'{"agents":{}}',):
        line.sendall(framed(TEXT, text))
    return line


TEXT, PING = 0x81, 0x89  # of frames that are whole


def framed(kind: int, data: bytes) -> bytes:
    """A frame of a client with less than 126 bytes in it."""
    mask = os.urandom(4)
    return bytes((kind, 0x80 | len(data))) + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def test_a_socket_that_is_never_read_is_closed_and_costs_little(node: RunningNode) -> None:
    """What it does not read waits where it is; it is told why in a close frame, and then cut off."""
    large = {"agent": {"name": "large", "capabilities": [{"name": "do"}]}, "address": "127.0.0.1:9"}
    large["agent"]["config"] = {"text": "x" * 50_000}  # type: ignore[index]
    done(node, "agents", large)
    while counted(node, "a2a_open_websockets"):
        pass  # those of other tests are on their way out
    before, slow = memory(node), 'a2a_http_refused_total{why="reader_slow"}'
    cut, changes = counted(node, slow), 0
    with ExitStack() as crowd:
        deaf = [crowd.enter_context(deafened(node)) for _ in range(10)]
        while counted(node, slow) < cut + len(deaf):
            changes += 1
            assert changes < 2000
            change = {"agent": {"name": "large", "description": f"number {changes}"}, "update_mask": "description"}
            done(node, "agents/large", change, "PATCH")
        assert memory(node) - before < 32, "ten clients, each of which has missed megabytes"
        assert (1013).to_bytes(2, "big") + b"you read too slowly" in ended(deaf[0])
    with opened(node) as socket:
        assert told_until(socket, "agents", '"current"')


def test_a_node_that_drains_sends_its_listeners_elsewhere(open_folder: Path) -> None:
    """With the code for that, and ends."""
    with running_node(open_folder / "live-drain") as node, opened(node) as socket:
        told_until(socket, "agents", '"current"')
        node.program.send(signal.SIGTERM)
        assert closed(socket) == (1012, "NODE_DRAINING")
        assert node.program.wait(PATIENCE) == 0
