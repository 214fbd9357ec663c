"""What clients should not send over HTTP, and some do: each gets a clear answer, and others are served meanwhile."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic

import psutil
import pytest

from tests.e2e.nodes import A2A_NODE, RunningNode, running_node
from tests.e2e.processes import Program
from tests.e2e.raw_http import PATIENCE, Answer, answer, connected, ended, get, sent

LIMIT = 16 * 1024 * 1024 // 3 * 4 + 64 * 1024  # bytes of a body
HUGE = 100 * 1024 * 1024
HEAD, STALL = 1.0, 2.0  # seconds that the node gives slow clients
PIECE = b"x" * 65536


@pytest.fixture(scope="module")
def node(open_folder: Path) -> Iterator[RunningNode]:
    """A node that has little patience."""
    options = ("--http-header-seconds", str(HEAD), "--http-stall-seconds", str(STALL), "--http-connections", "40")
    with running_node(open_folder / "bad-input", *options) as running:
        yield running


def refused(given: Answer, status: int, reason: str) -> None:
    """It is refused so, in the one shape, and with the security headers of every answer."""
    assert (given.status, given.reason) == (status, reason)
    assert given.error.keys() >= {"code", "reason", "message"}
    assert given.headers["content-type"] == "application/json"
    assert given.headers["x-content-type-options"] == "nosniff"


def counted(node: RunningNode, metric: str) -> float:
    """How a counter stands."""
    lines = get(node.http, "/metrics").body.decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))


def memory(node: RunningNode) -> float:
    """MB that the node holds."""
    return float(psutil.Process(node.pid).memory_info().rss) / 2**20


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/healthz/", "/HEALTHZ", "/api/v9/agents", "http://elsewhere.example/"]
)
def test_a_path_that_is_none_is_not_found(node: RunningNode, path: str) -> None:
    """Whatever it looks like; nobody is sent elsewhere by a name of their own."""
    refused(get(node.http, path), 404, "PATH_NOT_FOUND")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "BREW"])
def test_a_method_that_is_none_names_those_there_are(node: RunningNode, method: str) -> None:
    """In the header that HTTP has for it."""
    given = get(node.http, "/healthz", method=method)
    refused(given, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in given.headers["allow"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_nothing_is_traced_or_tunnelled(node: RunningNode, method: str) -> None:
    """A rule of the node's own keeps such requests out."""
    refused(get(node.http, "/mcp", method=method), 403, "REQUEST_BLOCKED")


@pytest.mark.parametrize(
    "path",
    [
        "/api/../../etc/passwd",
        "/api/%2e%2e/%2e%2e/etc/passwd",
        "/api/..%2f..%2fetc/passwd",
        "/api/..%5c..%5cetc",
        "/api/%252e%252e%252fetc",
        "/api/v1/..",
        "/api/v1/agents/x%00.json",
        "/api/v1/x%0d%0aSet-Cookie:%20a=b",
    ],
)
def test_a_path_leads_nowhere_else(node: RunningNode, path: str) -> None:
    """Plain, encoded, encoded twice; and no header comes out of one."""
    given = get(node.http, path)
    refused(given, 403, "REQUEST_BLOCKED")
    assert "set-cookie" not in given.headers


HOST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /nothing HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        HOST + b"X: a\rSet-Cookie: b\r\n\r\n",
        HOST + b"X: a\0b\r\n\r\n",
        HOST + b"X : a\r\n\r\n",
        HOST + b": a\r\n\r\n",
        HOST + b"Host: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Content-Length: 5, 6\r\n\r\nabcdef",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +5\r\n\r\nabcde",
        POST + b"Content-Length: 0x5\r\n\r\nabcde",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        POST
        + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /nothing HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=lambda request: ascii(request[-40:]),
)
def test_what_can_be_read_in_two_ways_is_not_read(node: RunningNode, request_bytes: bytes) -> None:
    """It is answered once, and nothing behind it counts as a request, whoever stands in between."""
    with connected(node.http) as line:
        line.sendall(request_bytes)
        refused(answer(line), 400, "REQUEST_MALFORMED")
        assert ended(line) == b""


def test_a_folded_header_stays_one_header(node: RunningNode) -> None:
    """Its lines do not become headers of their own."""
    given = sent(node.http, HOST + b"X: a\r\n Content-Length: 50\r\n\tTransfer-Encoding: chunked\r\n\r\n")
    assert (given.status, json.loads(given.body)) == (200, {"alive": True})


def test_a_chunk_that_is_none_ends_the_request(node: RunningNode) -> None:
    """Also once its head was taken."""
    with connected(node.http) as line:
        line.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n" % node.key.encode())
        line.sendall(b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n")
        line.sendall(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
        refused(answer(line), 400, "REQUEST_MALFORMED")
        assert ended(line) == b""


def test_too_many_headers_are_not_kept(node: RunningNode) -> None:
    """Neither in one line nor in many."""
    for more in (b"X: " + b"a" * 70_000, b"".join(b"X-%d: a\r\n" % number for number in range(8000))):
        with connected(node.http) as line:
            line.sendall(HOST + more)
            refused(answer(line), 431, "HEADERS_TOO_LARGE")


def test_a_long_path_is_not_looked_at(node: RunningNode) -> None:
    """By a rule of the node's own."""
    refused(get(node.http, f"/api/{'a' * 20_000}"), 403, "REQUEST_BLOCKED")


def poured(line: socket.socket, size: int, *, chunked: bool) -> None:
    """Send a body of that size, whatever the other side says of it; one that has heard enough closes."""
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for _ in range(size // len(PIECE)):
        line.sendall(piece)
    if chunked:
        line.sendall(b"0\r\n\r\n")


@pytest.mark.parametrize("path", ["/mcp", "/nothing"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_huge_body_is_answered_and_never_kept(node: RunningNode, path: str, *, chunked: bool) -> None:
    """A client that sends all of it before it listens hears why; the connection is good for another request then."""
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % HUGE
    before = memory(node)
    with connected(node.http) as line:
        line.sendall(b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n" % (path.encode(), length))
        line.sendall(b"Authorization: Bearer %b\r\nContent-Type: application/json\r\n" % node.key.encode())
        line.sendall(b"Accept: application/json, text/event-stream\r\n\r\n")
        poured(line, HUGE, chunked=chunked)
        given = answer(line)
        assert given.status in (413, 404)
        assert given.status == 413 or chunked, "what is declared is refused before anybody looks at the path"
        line.sendall(HOST + b"\r\n")
        assert answer(line).status == 200
    assert memory(node) - before < LIMIT / 2**20 + 24  # the limit itself, and some room to move


def test_a_client_that_closes_after_its_answer_hears_it_too(node: RunningNode) -> None:
    """The connection outlives what it still sends."""
    with connected(node.http) as line:
        line.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % HUGE)
        poured(line, HUGE, chunked=False)
        refused(answer(line), 413, "BODY_TOO_LARGE")
        assert ended(line) == b""


def test_whoever_asks_first_is_told_before_it_sends(node: RunningNode) -> None:
    """By `Expect: 100-continue`, as curl does for large bodies."""
    with connected(node.http) as line:
        line.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % HUGE)
        refused(answer(line), 413, "BODY_TOO_LARGE")


def test_a_head_that_trickles_is_given_up(node: RunningNode) -> None:
    """However often a byte comes, and others are served meanwhile; also one that never says anything."""
    with connected(node.http) as slow, connected(node.http) as silent:
        slow.sendall(HOST)
        begun = monotonic()
        slow.settimeout(HEAD / 10)
        while (said := _heard(slow)) is None:
            assert monotonic() - begun < PATIENCE
            assert get(node.http, "/healthz").status == 200
            _trickled(slow, b"X")
        assert said.startswith(b"HTTP/1.1 408 ")
        assert monotonic() - begun >= HEAD / 2
        slow.settimeout(PATIENCE)
        ended(slow)
        refused(answer(silent), 408, "REQUEST_TOO_SLOW")
        assert ended(silent) == b""
    assert counted(node, 'a2a_http_refused_total{why="head_slow"}') >= 2


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_given_up(node: RunningNode, framing: bytes) -> None:
    """Whoever waits for it; others are served meanwhile."""
    with connected(node.http) as line:
        line.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\nContent-Type: application/json\r\n" % framing)
        line.sendall(b"Accept: application/json, text/event-stream\r\n")
        line.sendall(b"Authorization: Bearer %b\r\n\r\n" % node.key.encode())
        begun = monotonic()
        line.settimeout(STALL / 20)
        while (said := _heard(line)) is None:
            assert monotonic() - begun < PATIENCE
            assert get(node.http, "/healthz").status == 200
            _trickled(line, b"1\r\nx\r\n" if b"chunked" in framing else b"x")
        assert said.startswith(b"HTTP/1.1 408 ")
        line.settimeout(PATIENCE)
        ended(line)
    assert counted(node, 'a2a_http_refused_total{why="body_slow"}') >= 1


def test_a_slow_line_may_send_as_much_as_it_likes(node: RunningNode) -> None:
    """What comes all the time is no trickle: 4 KB a second, for longer than a body may stand still."""
    size, pause = int(4096 * STALL * 2), STALL / 10
    with connected(node.http) as line:
        line.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n" % size)
        line.sendall(b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n")
        line.sendall(b"Authorization: Bearer %b\r\n\r\n" % node.key.encode())
        line.settimeout(pause)
        for _ in range(20):
            assert _heard(line) is None
            line.sendall(b" " * (size // 20 + 1))
        line.settimeout(PATIENCE)
        assert answer(line).status == 400, "blanks are no JSON"


def test_whoever_does_not_read_is_cut_off(node: RunningNode) -> None:
    """And what waits for it is bounded."""
    before, cut = memory(node), counted(node, 'a2a_http_refused_total{why="reader_slow"}')
    with connected(node.http) as line:
        asked, begun = HOST.replace(b"/healthz", b"/metrics") + b"\r\n", monotonic()
        line.settimeout(1)
        while counted(node, 'a2a_http_refused_total{why="reader_slow"}') == cut:
            assert monotonic() - begun < PATIENCE
            _trickled(line, asked * 50)
        line.settimeout(PATIENCE)
        ended(line)
    assert memory(node) - before < 24


def test_crowds_make_room_for_others(node: RunningNode) -> None:
    """More connections than there may be, none of which asks for anything: the next one that does is served."""
    with ExitStack() as crowd:
        for _ in range(60):
            crowd.enter_context(connected(node.http))
        given = get(node.http, "/healthz")
        assert given.status == 200
    assert counted(node, 'a2a_http_refused_total{why="gave_way"}') >= 20


def test_what_is_blocked_is_audited_and_counted(node: RunningNode) -> None:
    """By its rule, whoever asks; the query is not told, for it may hold a secret."""
    assert get(node.http, "/api/../x?token=sesame", "User-Agent: burglar").reason == "REQUEST_BLOCKED"
    assert counted(node, 'a2a_http_blocked_total{rule="path-traversal"}') >= 1
    listed = Program((A2A_NODE, "audit", "list", "--json", "--action", "http:*"), node.environ)
    with listed:
        listed.ends(None)
    assert "rule:path-traversal" in listed.output
    assert "sesame" not in listed.output


def test_a_node_ends_although_clients_hold_on(open_folder: Path) -> None:
    """Those that send slowly, those that do not read, and those in the middle of a stream."""
    with running_node(open_folder / "held-on") as node, connected(node.http) as slow, connected(node.http) as deaf:
        slow.sendall(HOST)
        deaf.sendall(HOST.replace(b"/healthz", b"/metrics") + b"\r\n")
        node.program.send(signal.SIGTERM)
        node.program.ends(None)


def _heard(line: socket.socket) -> bytes | None:
    """What has come within the line's own patience; None for nothing."""
    try:
        return line.recv(65536)
    except TimeoutError:
        return None


def _trickled(line: socket.socket, piece: bytes) -> None:
    """Send a little more, unless nobody takes it any more."""
    with suppress(OSError):
        line.sendall(piece)
