"""Values as they are given on a command line: JSON, `@file`, or `-` for what comes in on stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from a2a_node.model.budget import Amounts, read
from a2a_node.model.errors import InvalidInput

JSON_HELP = "JSON, `@file`, or `-` for stdin."
Given = Annotated[str, typer.Argument(help=JSON_HELP, metavar="JSON")]


def given(text: str) -> object:
    """The value of an argument; typer.BadParameter says what is wrong with it."""
    try:
        return orjson.loads(_read(text))
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{text[:80]!r} is no JSON ({error}); words need quotes: '\"like these\"'") from None
    except OSError as error:
        raise typer.BadParameter(f"{text!r} cannot be read: {error.strerror}") from None


def given_object(text: str) -> dict[str, object]:
    """The same, where only a JSON object will do."""
    value = given(text)
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text[:80]!r} is no JSON object, such as '{{\"name\": 1}}'")
    return value


def given_source(file: str) -> str:
    """The text of a file, or of stdin for `-`; typer.BadParameter says why it cannot be read."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{file!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file!r} is no text in UTF-8") from None


def given_budget(text: str) -> Amounts:
    """What a budget such as `calls=10,tokens=5000` limits; typer.BadParameter says what is wrong with it."""
    try:
        return read(text)
    except InvalidInput as error:
        raise typer.BadParameter(error.variables["problem"]) from None


def _read(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
