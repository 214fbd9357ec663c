"""What a command answers: one JSON document or JSON lines for programs, words and tables for people."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import typer

from a2a_node.model.errors import MeshError

WIDE = 200  # columns of a table; a narrower terminal breaks its lines, for an id that was cut is good for nothing


def dumps(value: object, *, indent: bool = False) -> str:
    """JSON of anything that the mesh answers: moments in RFC 3339, bytes in base64."""
    return orjson.dumps(
        value, default=_plain, option=orjson.OPT_UTC_Z | (orjson.OPT_INDENT_2 if indent else 0)
    ).decode()


@dataclass(frozen=True, slots=True)
class Screen:
    """Where answers go: stdout, in the form that was asked for."""

    as_json: bool

    def document(self, value: object, words: str | None = None) -> None:
        """The one answer of a command; `words` say it to people, in place of indented JSON."""
        if self.as_json:
            typer.echo(dumps(value))
        elif words is not None:
            typer.echo(words)
        elif isinstance(value, str | bytes):
            typer.echo(value, nl=isinstance(value, str))
        else:
            _pretty(value)

    def line(self, value: object, words: str | None = None) -> None:
        """One of many answers, at once."""
        if self.as_json or not (words or isinstance(value, str | bytes)):
            typer.echo(dumps(value))
        else:
            self.document(value, words)
        sys.stdout.flush()

    def table(self, values: Sequence[object], rows: Sequence[Mapping[str, object]]) -> None:
        """All answers of a command: the values as one JSON list, or the rows as a table with a column for each key."""
        if self.as_json:
            typer.echo(dumps(values))
        elif rows:
            _tabulate(rows)
        else:
            typer.echo("none")


def _pretty(value: object) -> None:
    text = dumps(value, indent=True)
    if not sys.stdout.isatty():
        typer.echo(text)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only terminals need it

    Console().print_json(text)


def _tabulate(rows: Sequence[Mapping[str, object]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    Console(width=WIDE).print(table)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, MeshError):
        return {"code": value.code, "reason": value.reason, "message": value.message}
    raise TypeError(f"{type(value).__name__} has no JSON form")
