"""Lines of a stream, of which the long ones are not held."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.tools.lines import TooLong, lines


async def read(*chunks: bytes, most: int = 100) -> list[bytes | TooLong]:
    """The lines of a stream that comes in such chunks."""
    stream = asyncio.StreamReader()
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    return [line async for line in lines(stream, most)]


async def test_lines_come_whole() -> None:
    """However they are cut on the way; the last needs no end."""
    assert await read(b"one\ntw", b"o\n", b"\nthree") == [b"one", b"two", b"", b"three"]


@pytest.mark.parametrize(
    ("head", "tail", "answers"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":"', b'"}', 7),
        (b'{"id": 8, "jsonrpc": "2.0", "result": "', b'"}', 8),
        (b'{"result":{"text":"', b'"},"jsonrpc":"2.0","id":9}', 9),
        (b'{"result":{"text":"', b'"},"id":10,"jsonrpc":"2.0"}\r', 10),
        (b'{"result":{"text":"', b'","id":11}}', None),
        (b'{"jsonrpc":"2.0","method":"notifications/message","params":"', b'"}', None),
        (b"x", b"x", None),
    ],
    ids=["ahead", "first", "behind", "last-but-one", "within", "notification", "noise"],
)
async def test_of_a_long_line_its_ends_say_what_it_answers(head: bytes, tail: bytes, answers: int | None) -> None:
    """Only a member of the outermost object counts."""
    line = head + b"x" * 5000 + tail
    first, second = await read(line + b"\nnext", most=1000)
    assert isinstance(first, TooLong)
    assert (first.size, first.answers(), second) == (len(line), answers, b"next")
