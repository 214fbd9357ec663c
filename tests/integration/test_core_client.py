"""The client on the C core, against a server on it: what is said arrives, and nothing outlives the channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from threading import enumerate as threads

import pytest

from a2a_node.core.client import Channel, Failed, Question
from a2a_node.core.client import Stream as Asked
from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Door, Method, Routes, Stream, Unary, serving

PATIENCE = 10.0
TRAILING = (("why-bin", b"\x00\xff"),)


async def refuse(rpc: Rpc, _: bytes = b"") -> None:
    """Refuse in one's own words."""
    rpc.end(7, "nò", TRAILING)


async def echo(rpc: Rpc) -> None:
    """Answer every message until there are no more."""
    while (message := await rpc.receive()) is not None:
        await rpc.send(message)


async def answer(rpc: Rpc, message: bytes) -> None:
    """Answer one message."""
    rpc.end(message=message.upper())


async def wait(_: Rpc, __: bytes = b"") -> None:
    """Say nothing."""
    await asyncio.Event().wait()


async def last(rpc: Rpc) -> None:
    """Answer with the last word, once all were said."""
    said: list[bytes] = []
    await rpc.each(said.append)
    await rpc.send(said[-1])


async def count(rpc: Rpc, message: bytes) -> None:
    """Say each letter, and what came beside them."""
    for letter in message:
        await rpc.send(bytes([letter]))
    said = {name: value for name, value in rpc.metadata if name.startswith("said")}
    await rpc.send(repr(sorted(said.items())).encode())
    rpc.end()


METHODS: Mapping[str, Method] = {
    "/a/Last": Stream(last),
    "/a/Echo": Stream(echo),
    "/a/Refuse": Stream(refuse),
    "/a/Wait": Stream(wait),
    "/a/Answer": Unary(answer),
    "/a/Count": Unary(count),
    "/a/No": Unary(refuse),
    "/a/Never": Unary(wait),
}


@asynccontextmanager
async def house() -> AsyncIterator[Channel]:
    """A channel to a server of all that."""
    async with asyncio.timeout(PATIENCE), serving([Door("127.0.0.1:0")], Routes(METHODS, Stream(refuse))) as (port,):
        channel = Channel(f"127.0.0.1:{port}")
        try:
            yield channel
        finally:
            await channel.close()


async def test_messages_go_and_come_in_their_order_until_the_stream_is_cancelled() -> None:
    """Small ones and large ones, from several tasks, of which each waits until its own was taken."""
    async with house() as channel:
        stream = channel.stream("/a/Echo")
        words = [b"%d" % number * (1 if number % 10 else 100_000) for number in range(100)]
        sending = asyncio.gather(*(stream.sent(word) for word in words))
        assert [await stream.receive() for _ in words] == words
        assert all(await sending)
        stream.cancel()
        assert await stream.receive() is None
        assert (await stream.status()).code == "CANCELLED"
        assert not await stream.sent(b"too late")
        assert await stream.receive() is None


async def test_messages_are_handed_on_as_they_come_until_there_are_no_more() -> None:
    """Those that came before as well; what they are handed to ends it with a failure of its own."""
    async with house() as channel:
        stream = channel.stream("/a/Echo")
        words = [b"%d" % number for number in range(100)]
        for word in words:
            await stream.sent(word)
        assert await stream.receive() == words[0]
        heard: list[bytes] = []

        def take(word: bytes) -> None:
            heard.append(word)
            if word == words[-1]:
                raise KeyError(word)

        with pytest.raises(KeyError):
            await stream.each(take)
        assert heard == words[1:]
        stream.cancel()
        await stream.each(take)
        assert heard == words[1:]


async def test_a_server_hands_messages_on_and_hears_who_left_before_their_end() -> None:
    """Whoever ends them well is answered."""
    async with house() as channel, asyncio.TaskGroup() as group:
        lost = channel.stream("/a/Last")
        reading = group.create_task(lost.receive())
        await lost.sent(b"x")
        lost.cancel()
        assert await reading is None
        assert (await lost.status()).code == "CANCELLED"
        assert await channel.ask("/a/Last", b"word", PATIENCE) == b"word"


async def test_a_refusal_tells_its_code_and_what_came_with_it() -> None:
    """Of a stream and of a question."""
    async with house() as channel:
        stream = channel.stream("/a/Refuse")
        assert await stream.receive() is None
        status = await stream.status()
        with pytest.raises(Failed, match="PERMISSION_DENIED: nò") as failed:
            await channel.ask("/a/No", b"", PATIENCE)
        for seen in (status, failed.value.status):
            assert (seen.code, seen.details) == ("PERMISSION_DENIED", "nò")
            assert set(TRAILING) <= set(seen.trailing)


async def test_questions_are_answered_in_time_or_not_at_all() -> None:
    """Several at once; a deadline ends the one that gets no answer, and a cancelled asker its own."""
    async with house() as channel:
        words = [b"%d-a" % number for number in range(50)]
        answers = await asyncio.gather(*(channel.ask("/a/Answer", word, PATIENCE) for word in words))
        assert answers == [word.upper() for word in words]
        with pytest.raises(Failed, match="DEADLINE_EXCEEDED"):
            await channel.ask("/a/Never", b"", 0.1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await channel.ask("/a/Never", b"", PATIENCE)
        assert await channel.ask("/a/Answer", b"a", PATIENCE) == b"A"


async def test_one_question_has_many_answers() -> None:
    """With what is said beside it; it is refused, is out of time, or is given up as all others are."""
    async with house() as channel:
        asked = channel.answers("/a/Count", Question(b"abc", PATIENCE, (("said-bin", b"\xff"), ("said", "x"))))
        heard = [message async for message in answers_of(asked)]
        assert heard == [b"a", b"b", b"c", repr([("said", "x"), ("said-bin", b"\xff")]).encode()]
        assert (await asked.status()).code == "OK"
        assert asked.over
        refused, late, left = (
            channel.answers(method, Question(b"", seconds))
            for method, seconds in (("/a/No", PATIENCE), ("/a/Never", 0.1), ("/a/Never", PATIENCE))
        )
        left.cancel()
        for one, code in ((refused, "PERMISSION_DENIED"), (late, "DEADLINE_EXCEEDED"), (left, "CANCELLED")):
            assert [message async for message in answers_of(one)] == []
            assert (await one.status()).code == code


async def answers_of(stream: Asked) -> AsyncIterator[bytes]:
    """All of them."""
    while (message := await stream.receive()) is not None:
        yield message


async def test_a_channel_that_is_closed_ends_what_runs_on_it_and_leaves_no_thread() -> None:
    """Used or not, closed already or not, and where nobody answers."""
    before = len(threads())
    async with house() as channel:
        streams = [channel.stream("/a/Wait") for _ in range(3)]
        asking = asyncio.create_task(channel.ask("/a/Never", b"", PATIENCE))
        await asyncio.sleep(0)
        unused, nobody = Channel("127.0.0.1:1"), Channel("127.0.0.1:1")
        lost = nobody.stream("/a/Wait")
        assert await lost.receive() is None
        assert (await lost.status()).code == "UNAVAILABLE"
        for one in (unused, nobody, channel):
            await one.close()
        for stream in streams:
            assert (await stream.status()).code == "CANCELLED"
        with pytest.raises(Failed, match="CANCELLED"):
            await asking
    assert len(threads()) == before


async def test_nothing_is_begun_on_a_channel_that_is_being_closed() -> None:
    """Nobody would take what completes, and the C core waits for it without end."""
    async with house() as channel:
        assert await channel.ask("/a/Answer", b"x", PATIENCE) is not None
        closing = asyncio.create_task(channel.close())
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="closed"):
            channel.stream("/a/Echo")
        await closing
