"""The parent of a command, a program of its own: `python -IS guard.py TERMS PROGRAM [ARGUMENT...]`.

It ends the program and all its descendants, those too that have made sessions of their own, once the program has ended,
or once the other end of the pipe `lifeline` is closed: also when whoever held it was killed. SIGTERM is handed on to
the program. It exits with the code of the program, or 128 + n for signal n. Terms are JSON, as `Terms` says.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

ENDED, CANNOT_RUN = 137, 127
PARENT_DEATH_SIGNAL, SUBREAPER, NO_NEW_PRIVILEGES = 1, 36, 38  # of prctl
CREATE, ADD, RESTRICT = 444, 445, 446  # the system calls of Landlock
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, REFER = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 13
CHANGES = 0b1111111110010  # write to files, make and remove anything
PROCESSES = Path("/proc")
SINKS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")


class Held(TypedDict):
    """What the program is held to."""

    bounds: dict[str, int]  # of each process, by their names in `resource`, for example "RLIMIT_FSIZE"
    writes: list[str]  # folders beneath which it may write; none means anywhere
    hidden: str  # a folder that it may not read; empty means none
    answers: bool  # somebody waits for its answers: it is woken at once, also where the node's own processes are not


class Terms(Held):
    """The same, and what ends it."""

    lifeline: int  # a file descriptor


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def around(hidden: str) -> Iterator[Path]:
    """All that may be read so that one folder may not: what lies beside it, and beside each folder on the way to it.

    Of processes nothing may be read: their environments have secrets, too.
    """
    at = Path("/")
    for part in Path(hidden).parts[1:]:
        for entry in at.iterdir():
            place = entry.resolve() if entry.is_symlink() else entry
            leads_there = place.is_relative_to(hidden) or Path(hidden).is_relative_to(place)
            if entry.name != part and not leads_there and place != PROCESSES:
                yield place
        at /= part
    yield from (entry for entry in PROCESSES.glob("[a-z]*") if not entry.is_symlink())


def readings(place: Path) -> int:
    """What Landlock calls reading a folder and all beneath it, or a file."""
    return EXECUTE | READ_FILE | (READ_DIR if place.is_dir() else 0)


def confine(folders: list[str], hidden: str) -> None:
    """Have this process and its descendants write beneath the folders alone, and not read what is hidden elsewhere.

    As far as the kernel can: without Landlock nothing is held.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE, None, 0, 1)
    if version < 1:
        return
    handled = CHANGES | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)  # noqa: PLR2004 - versions of Landlock
    handled |= EXECUTE | READ_FILE | READ_DIR if hidden else 0
    rules = libc.syscall(CREATE, ctypes.byref(ctypes.c_uint64(handled)), 8, 0)
    readable = [(str(place), readings(place)) for place in (around(hidden) if hidden else ())]
    writable = [*((folder, handled) for folder in folders), *((sink, WRITE_FILE) for sink in SINKS)]
    for path, allowed in [*readable, *writable]:
        with suppress(OSError):  # it is gone meanwhile, or nobody may open it
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            libc.syscall(ADD, rules, 1, ctypes.byref(_Beneath(allowed, place)), 0)
            os.close(place)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(RESTRICT, rules, 0):
        raise OSError(ctypes.get_errno(), "the command cannot be confined to the workspace")
    os.close(rules)


def bind(kind: int, bound: int) -> None:
    """Set a limit of this process and its descendants; what holds already and is lower stays."""
    hard = resource.getrlimit(kind)[1]
    lowest = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    resource.setrlimit(kind, (lowest, lowest))


def start(argv: list[str], terms: Terms) -> int:
    """The process id of the program."""
    child = os.fork()
    if child:
        return child
    try:
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and a program would inherit that
            signal.signal(ignored, signal.SIG_DFL)
        for name, bound in terms["bounds"].items():
            bind(getattr(resource, name), bound)
        if sys.platform == "linux":
            if terms["answers"]:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            if terms["writes"]:
                confine(terms["writes"], terms["hidden"])
        os.execv(argv[0], argv)  # noqa: S606 - this is what it is for; there is no shell
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(CANNOT_RUN)


def descendants(ancestor: int) -> set[int]:
    """The processes that descend from one, by what the system tells; empty where it tells nothing."""
    parents: dict[int, int] = {}
    for folder in PROCESSES.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, before = {ancestor}, 0
    while len(found) > before:
        before = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {ancestor}


def end_all(children: set[int]) -> None:
    """Kill what is left, again for what was forked meanwhile, until there is nothing."""
    while True:
        for process in descendants(os.getpid()) | children:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def code_of(child: int) -> int | None:
    """The exit code of the program once it has ended; collects others that have."""
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if not process:
                return None
    return CANNOT_RUN


def main() -> int:
    """Run the program; its code."""
    terms: Terms = json.loads(sys.argv[1])
    argv = sys.argv[2:]
    os.set_inheritable(terms["lifeline"], False)  # noqa: FBT003 - os's own
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for heard in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(heard, lambda *_: None)
    child, code = start(argv, terms), None
    for stream in (0, 1):  # the program's alone, so that whoever reads and writes them hears when it closes them
        os.close(stream)
    while code is None:
        ready, _, _ = select.select([terms["lifeline"], woken], [], [])
        if terms["lifeline"] in ready:
            code = ENDED
        elif news := os.read(woken, 512):
            code = code_of(child)
            if signal.SIGTERM in news and code is None:
                os.kill(child, signal.SIGTERM)
    end_all({child} if code == ENDED else set())
    return code


if __name__ == "__main__":
    os._exit(main())
