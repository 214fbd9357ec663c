"""Becoming another user, then another program: `python -IS becoming.py UID GID PROGRAM ARGUMENT…`.

Asked to change the user, `subprocess` forks, and in a process with gRPC in it a fork runs the handlers of gRPC, of the
event loop and of malloc among threads that do not stop for that. Without, it starts a child by vfork, which runs none.
"""

import os
import sys


def main(uid: str, gid: str, program: str, *arguments: str) -> None:
    """Become it; the program is named by its absolute path."""
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    os.execv(program, [program, *arguments])  # noqa: S606  that is what this is for


if __name__ == "__main__":
    main(*sys.argv[1:])
