"""`a2a-node` and `python -m a2a_node`."""

from a2a_node.cli.app import main

if __name__ == "__main__":
    main()
