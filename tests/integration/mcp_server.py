"""An MCP server that misbehaves on command, a program: `python mcp_server.py [OPTION...]`.

Options: `--silent` never answers, `--exit CODE` ends at once, `--stubborn` ignores SIGTERM and the end of its input,
`--noise` prints what is no message before it begins.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

Object = dict[str, object]
OBJECT: Object = {"type": "object"}
WRITING = threading.Lock()
CANCELLED: dict[object, threading.Event] = {}
EXTRA: list[Object] = []
SPOILT = threading.Event()
KEPT: list[object] = []  # what was leaked


def write(line: bytes) -> None:
    """One line on standard output."""
    with WRITING:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


def send(**message: object) -> None:
    """One message."""
    write(json.dumps({"jsonrpc": "2.0", **message}).encode())


def tell(line: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def text(said: str) -> Object:
    """A result of one text."""
    return {"content": [{"type": "text", "text": said}]}


def progress(request: Object, done: int, total: int) -> None:
    """Tell how far it is, if somebody wants to know."""
    meta = request["params"].get("_meta") or {}  # type: ignore[attr-defined]
    if "progressToken" in meta:
        said = {"progressToken": meta["progressToken"], "progress": done, "total": total, "message": f"step {done}"}
        send(method="notifications/progress", params=said)


def crash(_: Object, said: Object) -> Object:
    """End in the middle of the call, with last words."""
    tell(str(said.get("say", "crashes")))
    os._exit(int(str(said.get("code", 3))))


def hang(request: Object, _: Object) -> Object:
    """Work until somebody cancels it."""
    tell(f"hangs {request['id']}")
    CANCELLED[request["id"]].wait()
    tell(f"cancelled {request['id']}")
    return text("cancelled")


def expect(_: Object, said: Object) -> Object:
    """Work until there is a file of that path."""
    tell("expects a file")
    while not os.path.exists(str(said["path"])):  # noqa: PTH110 - short
        time.sleep(0.01)
    return text("there")


def deaf(_: Object, __: Object) -> Object:
    """Answer nothing any more, also no ping."""
    signal.pause()
    return {}


def count(request: Object, said: Object) -> Object:
    """Tell its progress."""
    total = int(str(said["to"]))
    for step in range(1, total + 1):
        progress(request, step, total)
    return {"content": [], "structuredContent": {"counted": total}}


def garbage(_: Object, said: Object) -> Object:
    """Print lines that are no messages."""
    for number in range(int(str(said["lines"]))):
        write(f"garbage {number} of {os.environ.get('SECRET', '')}".encode() if number % 2 else b'{"broken": ')
    return text("printed")


def big(_: Object, said: Object) -> Object:
    """Answer with so many bytes."""
    return text("x" * int(str(said["bytes"])))


def unknowable(_: Object, said: Object) -> Object:
    """Print a message of so many bytes that answers nothing."""
    write(
        b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"'
        + b"x" * int(str(said["bytes"]))
        + b'"}}'
    )
    return text("printed")


def flood(_: Object, said: Object) -> Object:
    """Notify so many times."""
    for _number in range(int(str(said["times"]))):
        send(method="notifications/tools/list_changed")
    return text("flooded")


def change(_: Object, said: Object) -> Object:
    """Offer another tool, and say so."""
    EXTRA.append({"name": str(said["name"]), "inputSchema": OBJECT})
    send(method="notifications/tools/list_changed")
    return text("changed")


def leak(_: Object, said: Object) -> Object:
    """Keep memory and file handles, and leave a child behind that has a session of its own."""
    KEPT.append(bytearray(int(str(said.get("bytes", 0)))))
    KEPT.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(int(str(said.get("files", 0)))))
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return text(str(child.pid))


def burn(_: Object, __: Object) -> Object:
    """Use the processor for ever."""
    while True:
        pass


def environment(_: Object, __: Object) -> Object:
    """Tell what it finds around it."""
    found = {"environment": dict(os.environ), "folder": os.getcwd(), "inside": os.listdir()}  # noqa: PTH109, PTH208 - short
    return {"content": [], "structuredContent": found}


def told(request: Object, _: Object) -> Object:
    """Tell what came beside the arguments."""
    return {"content": [], "structuredContent": dict(request["params"].get("_meta") or {})}  # type: ignore[attr-defined]


def moody(_: Object, said: Object) -> Object:
    """Work, until it is told to spoil everything; then it fails for the rest of the process's life."""
    if said.get("spoil"):
        SPOILT.set()
    return {**text("spoilt"), "isError": True} if SPOILT.is_set() else text("done")


def fail(_: Object, said: Object) -> Object:
    """Say that it failed."""
    return {**text(str(said.get("why", "no reason"))), "isError": True}


TOOLS: dict[str, Callable[[Object, Object], Object]] = {
    "echo": lambda _, said: {"content": [], "structuredContent": said},
    "pid": lambda _, __: text(str(os.getpid())),
    **{tool.__name__: tool for tool in (crash, hang, deaf, count, garbage, big, unknowable, flood, change, leak, burn)},
    **{tool.__name__: tool for tool in (environment, expect, fail, moody, told)},
    "Get Two+": lambda _, __: text("two"),
    "get-two": lambda _, __: text("2"),
}
HINTS: dict[str, Object] = {"echo": {"readOnlyHint": True}, "crash": {"destructiveHint": True}}
BROKEN: list[Object] = [
    {"name": "no-schema"},
    {"name": "bad-schema", "inputSchema": {"type": "object", "properties": {"a": {"type": "nonsense"}}}},
    {"name": "echo", "inputSchema": OBJECT, "description": "the second of its name"},
    {"nameless": True},
]


def listed() -> list[Object]:
    """All tools, good and bad."""
    good: list[Object] = [
        {"name": name, "description": f"tool {name}", "inputSchema": OBJECT, "annotations": HINTS.get(name, {})}
        for name in TOOLS
    ]
    return [*good, *BROKEN, *EXTRA]


def page(params: Object) -> Object:
    """Half of the tools at a time."""
    tools = listed()
    if params.get("cursor") == "half":
        return {"tools": tools[len(tools) // 2 :]}
    return {"tools": tools[: len(tools) // 2], "nextCursor": "half"}


def answer(request: Object) -> None:
    """Answer one request."""
    method, params = request["method"], request.get("params") or {}
    assert isinstance(params, dict)
    if method == "initialize":
        able = {"tools": {"listChanged": True}}
        who = {"name": "misbehaving", "version": "1.0"}
        result: Object = {"protocolVersion": params["protocolVersion"], "capabilities": able, "serverInfo": who}
    elif method == "tools/list":
        result = page(params)
    elif method == "tools/call" and params["name"] in TOOLS:
        result = TOOLS[params["name"]](request, params.get("arguments") or {})
    elif method == "ping":
        result = {}
    else:
        send(id=request["id"], error={"code": -32602, "message": f"unknown: {params.get('name', method)}"})
        return
    send(id=request["id"], result=result)


def main() -> None:
    """Serve until the input ends."""
    options = sys.argv[1:]
    if "--exit" in options:
        tell("cannot go on")
        sys.exit(int(options[options.index("--exit") + 1]))
    if "--stubborn" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--noise" in options:
        write(b"Welcome to the server!")
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "--silent" in options:
            continue
        if message.get("method") == "notifications/cancelled":
            CANCELLED.setdefault(message["params"]["requestId"], threading.Event()).set()
        elif message.get("params", {}).get("name") == "deaf":
            deaf(message, {})
        elif "id" in message:
            CANCELLED[message["id"]] = threading.Event()
            threading.Thread(target=answer, args=(message,), daemon=True).start()
    while "--stubborn" in options:
        time.sleep(1)


if __name__ == "__main__":
    main()
