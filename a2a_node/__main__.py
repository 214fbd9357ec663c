"""`a2a-node` and `python -m a2a_node`."""

import os
import sys

from a2a_node.cli.app import main as run

NODES = (["up"], ["serve"])


def main() -> None:
    """Run the command that the process was given, and end the process with its exit code.

    A node that ended well has let go of all that it had. What is left is to take the interpreter down, in which threads
    of a library's C core may abort the process; so it ends without that.
    """
    try:
        run()
    except SystemExit as end:
        if end.code or sys.argv[1:2] not in NODES:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
