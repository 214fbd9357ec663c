"""What a failed command says, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from a2a_node.cli.show import dumps
from a2a_node.model.errors import MeshError, SettingInvalid

FAILED = 1
BAD_USAGE = 64  # EX_USAGE of sysexits.h: what was asked is wrong, and asking again changes nothing


@contextmanager
def failures(*, as_json: bool = False) -> Iterator[None]:
    """Say on stderr what failed inside the block, then end with 64 for a wrong setting and 1 for all else."""
    try:
        yield
    except MeshError as error:
        typer.echo(_document(error) if as_json else _sentence(error), err=True)
        raise typer.Exit(BAD_USAGE if isinstance(error, SettingInvalid) else FAILED) from None


def _sentence(error: MeshError) -> str:
    more = [f"  {field}: {problem}" for field, problem in error.violations[1:]]  # the message has the first one
    return "\n".join([f"error: {error.message} [{error.reason}]", *more])


def _document(error: MeshError) -> str:
    return dumps(
        {
            "error": {
                "code": error.code,
                "reason": error.reason,
                "message": error.message,
                "metadata": dict(error.variables),
                "violations": [{"field": field, "description": problem} for field, problem in error.violations],
            }
        }
    )
