"""A process that has imported a node's modules, and forks where a test starts a node: most of a start are its imports.

What it forks goes on as `a2a-node` does, a process of its own with its own arguments, environment, folder and output.
That a shell can start a node is told by tests/e2e/test_cli.py, test_keys.py and test_survival.py, which fork none.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TextIO

from tests.e2e.processes import Process, executed

# In the order of a node that has just been started.
IMPORTED = (
    *("a2a_node.__main__", "a2a_node.cli.start", "a2a_node.lean", "a2a_node.cli.logs", "a2a_node.settings"),
    *("uvloop", "a2a_node.store.embedded", "a2a_node.node.building"),
)
LARGEST = 2**17  # bytes of an order
PATIENCE = 120.0  # seconds for the imports, on a crowded machine
OURS = 3  # the first number of a file that is not standard input or output


class Forked:
    """A process that the server has forked. As long as nobody has been told that it ended, its id stays its own."""

    def __init__(self, line: socket.socket, stdout: TextIO) -> None:
        self.stdout = stdout
        self._line, self._said = line, line.makefile("r")
        self.pid = int(self._said.readline())
        self._code: int | None = None
        self._over, self._telling = threading.Event(), threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def poll(self) -> int | None:
        """The exit code, if it has ended; below 0 the signal that ended it."""
        return self.wait() if self._over.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended; subprocess.TimeoutExpired."""
        if not self._over.wait(timeout):
            raise subprocess.TimeoutExpired("a2a-node", timeout or 0.0)
        assert self._code is not None, "the server of forks has ended before what it forked"
        with self._telling:
            if not self._said.closed:
                self._line.shutdown(socket.SHUT_WR)  # by which the server knows that it need not keep the id
                self._said.read()
                self._said.close()
                self._line.close()
        return self._code

    def send_signal(self, sign: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        """Have it end at once."""
        self.send_signal(signal.SIGKILL)

    def _listen(self) -> None:
        said = self._said.readline()
        self._code = int(said) if said else None
        self._over.set()


class Forks:
    """Where nodes are forked, once the first one is wanted."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    def fork(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> Process:
        """Start `a2a-node` with these arguments, in a process that has its modules already."""
        orders = self._orders or self._opened()
        ours, line = socket.socketpair()
        reads, writes = os.pipe()
        with line:
            order = json.dumps([list(command), dict(environ), str(folder)]).encode()
            assert len(order) < LARGEST
            socket.send_fds(orders, [order], [line.fileno(), writes])
        os.close(writes)
        return Forked(ours, os.fdopen(reads))

    def close(self) -> None:
        """End the server; what it forked goes on."""
        if self._orders is not None and self._server is not None:
            self._orders.close()
            self._server.wait(PATIENCE)

    def _opened(self) -> socket.socket:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = (sys.executable, "-m", __name__, str(theirs.fileno()))
            quiet = subprocess.DEVNULL  # no terminal: what is forked writes to a pipe
            self._server = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=quiet, stdout=quiet)
        return self._orders


class _Here:
    """The server of this process, while there is one."""

    forks: Forks | None = None


@contextmanager
def forking() -> Iterator[None]:
    """Have nodes forked until the block ends, where the system can; elsewhere they are executed."""
    if sys.platform != "linux":
        yield
        return
    _Here.forks = Forks()
    try:
        yield
    finally:
        _Here.forks.close()
        _Here.forks = None


def node_process(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> Process:
    """A process of `a2a-node`: forked in a test, executed elsewhere."""
    return (_Here.forks.fork if _Here.forks else executed)(command, environ, folder)


@dataclass
class _Child:
    """What the server has forked, and the line by which it tells of its end."""

    pid: int
    line: socket.socket
    ended: bool = False

    def look(self) -> None:
        """Tell if it has ended, and leave it as it is."""
        if self.ended:
            return
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if end is not None:
            self.ended = True
            self._tell(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status)

    def _tell(self, code: int) -> None:
        try:
            self.line.sendall(b"%d\n" % code)
        except OSError:  # whoever asked for it is gone
            return


def _serve(orders: socket.socket) -> None:
    """Fork as ordered until nobody orders any more."""
    wakes, woken = socket.socketpair()
    woken.setblocking(False)  # noqa: FBT003 - so it is called
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(wakes, selectors.EVENT_READ)
        children: dict[int, _Child] = {}
        while True:
            for key, _ in selector.select():
                if key.fileobj is orders:
                    order, fds, _, _ = socket.recv_fds(orders, LARGEST, 2)
                    if not order:
                        return
                    child = _Child(_forked(order, fds[1]), socket.socket(fileno=fds[0]))
                    child.line.sendall(b"%d\n" % child.pid)
                    children[child.line.fileno()] = child
                    selector.register(child.line, selectors.EVENT_READ)
                elif key.fileobj is wakes:
                    wakes.recv(4096)
                else:
                    child = children.pop(key.fd)
                    selector.unregister(child.line)
                    os.waitpid(child.pid, 0 if child.ended else os.WNOHANG)
                    child.line.close()
            for child in children.values():
                child.look()


def _forked(order: bytes, output: int) -> int:
    pid = os.fork()
    if pid:
        os.close(output)
        return pid
    try:
        _become(order, output)
    finally:
        os._exit(1)


def _become(order: bytes, output: int) -> NoReturn:
    """Go on as the node that was ordered."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.closerange(OURS, os.sysconf("SC_OPEN_MAX"))
    sys.argv, environ, folder = json.loads(order)
    sys.modules["__main__"].__package__ = None  # else its own name would be that of a module of the tests
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    own = [str(Path(place).absolute()) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:1] = [str(Path(sys.argv[0]).parent), *own]
    try:
        import_module("a2a_node.__main__").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _main() -> None:
    gc.disable()  # as a node that starts
    for name in IMPORTED:
        import_module(name)
    gc.freeze()
    assert threading.active_count() == 1, "what is forked would lack the others"
    _serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    _main()
